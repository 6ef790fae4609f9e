//! A validated string: text that a rule accepted when it was parsed.
//!
//! Surrounding white space is removed first: people and agents copy it along. An error says what is allowed, and never
//! repeats the text.

use std::{fmt, marker::PhantomData, str::FromStr};

/// What a text may be.
pub trait Rule {
    /// What is allowed, as the rest of a sentence that begins with "must be".
    const ALLOWED: &'static str;

    /// # Errors
    /// When the text is not allowed.
    fn check(text: &str) -> Result<(), InvalidText>;
}

/// Text that a rule rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Breaks the rule.
    #[error("must be {0}")]
    NotAllowed(&'static str),
    /// A key or a capture token in the wrong place: these texts are logged, and secrets must not be.
    #[error("looks like an API key or a capture token; it must be {0}")]
    Secret(&'static str),
}

/// Text that obeys the rule `R`.
pub struct Text<R>(String, PhantomData<fn() -> R>);

impl<R: Rule> Text<R> {
    /// What is allowed, as the rest of a sentence that begins with "must be".
    pub const ALLOWED: &'static str = R::ALLOWED;
}

impl<R> Text<R> {
    /// A text that is certain to obey the rule.
    pub(super) const fn certain(text: String) -> Self {
        Self(text, PhantomData)
    }

    /// The text as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<R: Rule> FromStr for Text<R> {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        R::check(text).map(|()| Self(text.to_owned(), PhantomData))
    }
}

// Derived, these would ask the same of the rule.
impl<R> Clone for Text<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<R> PartialEq for Text<R> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<R> Eq for Text<R> {}

impl<R> fmt::Debug for Text<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<R> fmt::Display for Text<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a rule is kept, with the error for where it is not.
pub(super) fn allowed<R: Rule>(is_allowed: bool) -> Result<(), InvalidText> {
    if is_allowed { Ok(()) } else { Err(InvalidText::NotAllowed(R::ALLOWED)) }
}
