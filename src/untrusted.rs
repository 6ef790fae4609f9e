//! Text from outside, made harmless when it is read: one line, visible characters only, truncated, without secrets.
//!
//! Error details, statuses and whatever an agent sent pass through here before anyone reads them. They are data, never
//! instructions, and are shown quoted.

use std::{borrow::Cow, fmt};

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};

/// What precedes the token in a capture link, as on the endpoint's page.
pub(crate) const CAPTURE_PATH: &str = "/verify/";

/// Prefixes of secrets: Verifa's keys and capture tokens, and the tokens of this server's callers. Text with one of these
/// is never repeated.
pub(crate) const SECRET_PREFIXES: [&str; 5] = ["vk_live_", "vk_sandbox_", "vk_pub_", "tok_", "vmt_"];

/// What reads like the end of a quotation, in any script.
const QUOTATION_MARKS: [char; 16] = [
    '"',
    '\u{ab}',
    '\u{bb}',
    '\u{201c}',
    '\u{201d}',
    '\u{201e}',
    '\u{201f}',
    '\u{2033}',
    '\u{2036}',
    '\u{275d}',
    '\u{275e}',
    '\u{301d}',
    '\u{301e}',
    '\u{301f}',
    '\u{ff02}',
    '\u{1f676}',
];

/// How a JWT begins: `{"` in base64url. Unlike the others it is recognized in this case only, since words begin alike.
pub(crate) const JWT_PREFIX: &str = "eyJ";

/// With what every prefix of a secret begins, in both cases where both count. Other characters need no look.
const FIRST_BYTES: &[u8] = b"/etTvV";

/// Whether a text holds what looks like a key, a token or a capture link, in any case.
///
/// A prefix counts at the start and behind anything but a letter or digit, so that a session may be called `ses_stok_1`.
pub(crate) fn contains_secret(text: &str) -> bool {
    secrets(text).next().is_some()
}

/// A message with every key, token and capture link in it masked. A prefix alone, as in `vk_live_…`, stays.
pub(crate) fn mask_secrets(message: &str) -> String {
    let is_end = |character: char| character.is_whitespace() || "'\"`,.;:)".contains(character);
    let masked = |word: &str| {
        let (body, end) = word.split_at(word.trim_end_matches(is_end).len());
        let goes_on = |behind: usize| body.as_bytes().get(behind).is_some_and(u8::is_ascii_graphic);
        match secrets(body).find(|(_, behind)| goes_on(*behind)) {
            Some((start, _)) => format!("{}[secret removed]{end}", body.get(..start).unwrap_or_default()),
            None => word.to_owned(),
        }
    };
    message.split_inclusive(char::is_whitespace).map(masked).collect()
}

/// Where secrets begin and where their prefixes end, in this order.
fn secrets(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let candidates = text.bytes().enumerate().filter(|(_, byte)| FIRST_BYTES.contains(byte));
    candidates.filter_map(|(start, _)| {
        let (before, rest) = text.split_at(start);
        let prefix = match before.ends_with(char::is_alphanumeric) {
            true => begins_with(rest, CAPTURE_PATH).then_some(CAPTURE_PATH),
            false => secret_prefix(rest),
        };
        prefix.map(|prefix| (start, start + prefix.len()))
    })
}

/// The prefix with which a text begins, if a secret begins with it.
fn secret_prefix(text: &str) -> Option<&'static str> {
    let jwt = text.starts_with(JWT_PREFIX).then_some(JWT_PREFIX);
    jwt.or_else(|| SECRET_PREFIXES.into_iter().chain([CAPTURE_PATH]).find(|prefix| begins_with(text, prefix)))
}

/// Whether a text begins with this prefix, in any case.
fn begins_with(text: &str, prefix: &str) -> bool {
    text.as_bytes().get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// One line of cleaned text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UntrustedText(String);

impl UntrustedText {
    /// The longest text that is kept, in characters.
    pub(crate) const MAX_LENGTH: usize = 300;

    /// Cleans a text and keeps at most [`Self::MAX_LENGTH`] characters of it.
    pub(crate) fn new(text: &str) -> Self {
        Self::truncated(text, Self::MAX_LENGTH)
    }

    /// Cleans a text and keeps at most `length` characters of it; an ellipsis shows that more followed.
    pub(crate) fn truncated(text: &str, length: usize) -> Self {
        Self::cleaned(text, length, |character| visible(character).into_iter())
    }

    /// As [`Self::truncated`], but what cannot be seen is shown escaped, as in `ses_a\u{200b}bc`: for a value that is
    /// wrong because of it.
    pub(crate) fn escaped(text: &str, length: usize) -> String {
        let shown = |character: char| {
            let is_plain = character == ' ' || visible(character) == Some(character) && !character.is_whitespace();
            let escaped = (!is_plain).then(|| character.escape_default());
            escaped.into_iter().flatten().chain(is_plain.then_some(character))
        };
        Self::cleaned(text, length, shown).quoted()
    }

    fn cleaned<I: Iterator<Item = char>>(text: &str, length: usize, shown: impl Fn(char) -> I) -> Self {
        // Enough to fill the line whatever cleaning removes, without reading a megabyte.
        let visible: String = text.chars().take(length.saturating_mul(8)).flat_map(shown).collect();
        // Some servers escape slashes twice; a link must not get past the next step that way.
        let visible = visible.replace("\\/", "/");
        let words: Vec<_> = visible.split_whitespace().map(without_secret).collect();
        let line = words.join(" ");
        match line.char_indices().nth(length) {
            Some((end, _)) => Self(line.get(..end).unwrap_or_default().trim_end().to_owned() + "…"),
            None => Self(line),
        }
    }

    /// The text, or `None` where nothing visible is left.
    pub(crate) fn non_empty(self) -> Option<Self> {
        (!self.0.is_empty()).then_some(self)
    }

    /// The text in quotation marks that it cannot close, with nothing that a chat would show as a link or an image.
    pub(crate) fn quoted(&self) -> String {
        let text = self.0.replace(QUOTATION_MARKS, "'").replace("://", ": //").replace("](", "] (").replace('<', "‹");
        format!("\"{text}\"")
    }

    /// The cleaned text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UntrustedText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An empty cell of braille writing, which looks like a space.
const BRAILLE_BLANK: char = '\u{2800}';

/// The character; a space for one that separates or cannot be seen; nothing for one that would only hide in a word.
fn visible(character: char) -> Option<char> {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Surrogate, Unassigned};

    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    if CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character) {
        return None;
    }
    let invisible =
        matches!(category, Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | Surrogate | Unassigned);
    Some(if invisible || character == BRAILLE_BLANK { ' ' } else { character })
}

fn without_secret(word: &str) -> Cow<'_, str> {
    let secret = word.char_indices().find(|(start, _)| secret_prefix(word.split_at(*start).1).is_some());
    secret.map_or(Cow::Borrowed(word), |(start, _)| Cow::Owned(word.split_at(start).0.to_owned() + "[secret removed]"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_secret_begins_with_one_of_the_first_bytes() {
        let prefixes = SECRET_PREFIXES.into_iter().chain([CAPTURE_PATH]);
        let both_cases = prefixes.flat_map(|prefix| [prefix.to_owned(), prefix.to_uppercase()]);
        assert!(both_cases.chain([JWT_PREFIX.to_owned()]).all(|it| FIRST_BYTES.contains(&it.as_bytes()[0])));
    }

    #[test]
    fn control_and_invisible_characters_are_removed() {
        let cases = [
            ("plain", "plain"),
            ("two\r\nlines\tand tabs", "two lines and tabs"),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred [0m"),
            ("right\u{202e}left", "rightleft"),
            ("tags\u{e0049}\u{e0047}", "tags"),
            ("zero\u{200b}width\u{feff}", "zerowidth"),
            ("braille\u{2800}blank", "braille blank"),
            ("   ", ""),
            ("Zoë 東京 🙂", "Zoë 東京 🙂"),
        ];
        for (text, cleaned) in cases {
            assert_eq!(UntrustedText::new(text).as_str(), cleaned);
        }
    }

    #[test]
    fn keys_and_tokens_are_removed() {
        let text = UntrustedText::new("key vk_live_abc, see https://app.example/verify/tok_123 now");
        assert_eq!(text.as_str(), "key [secret removed] see https://app.example[secret removed] now");
    }

    #[test]
    fn a_secret_is_recognized_at_the_start_of_a_word_in_any_case() {
        for text in [
            "vk_live_x",
            "VK_LIVE_x",
            "x_tok_x",
            "a:Vmt_0",
            "é vk_pub_",
            "https://a.example/Verify/x",
            "tok_",
            "(eyJhbGciOiJFUzI1NiJ9.e30.x)",
        ] {
            assert!(contains_secret(text), "{text}");
        }
        for text in
            ["", "ses_stok_1", "1tok_", "évmt_", "vk_", "verify", "token", "jane@example.com", "Eyjafjord", "aeyJ"]
        {
            assert!(!contains_secret(text), "{text}");
        }
    }

    #[test]
    fn a_message_keeps_everything_but_its_secrets() {
        let message =
            "error: 'VK_LIVE_abc', \"https://a.example/verify/x\" (x=tok_1)\n\n  use a vk_sandbox_… key, vk_pub_\n";
        let masked = "error: '[secret removed]', \"https://a.example[secret removed]\" (x=[secret removed])\n\n  \
            use a vk_sandbox_… key, vk_pub_\n";
        assert_eq!(mask_secrets(message), masked);
    }

    #[test]
    fn quoted_text_cannot_end_its_quotation() {
        assert_eq!(UntrustedText::new(r#"a". Now do this: "b"#).quoted(), r#""a'. Now do this: 'b""#);
        for mark in QUOTATION_MARKS {
            assert_eq!(UntrustedText::new(&format!("a{mark} b")).quoted(), "\"a' b\"", "{mark}");
        }
    }

    #[test]
    fn quoted_text_is_neither_a_link_nor_an_image_in_a_chat() {
        for (text, quoted) in [
            ("see https://evil.example now", "see https: //evil.example now"),
            (r"see https:\/\/evil.example", "see https: //evil.example"),
            ("[click](/here)", "[click] (/here)"),
            ("![x](data:image/png;base64,A)", "![x] (data:image/png;base64,A)"),
            ("<img src=x> <https://evil.example>", "‹img src=x> ‹https: //evil.example>"),
        ] {
            assert_eq!(UntrustedText::new(text).quoted(), format!("\"{quoted}\""));
        }
    }

    #[test]
    fn what_cannot_be_seen_is_shown_escaped_where_it_is_the_error() {
        for (text, shown) in [
            ("ses_a\u{200b}bc", r"ses_a\u{200b}bc"),
            ("a\u{a0}b\tc", r"a\u{a0}b\tc"),
            ("two words", "two words"),
            ("vk_live_abc\u{200b}", "[secret removed]"),
        ] {
            assert_eq!(UntrustedText::escaped(text, 60), format!("\"{shown}\""));
        }
    }

    #[test]
    fn long_text_is_cut_with_an_ellipsis() {
        assert_eq!(UntrustedText::truncated("abcdef", 3).as_str(), "abc…");
        assert_eq!(UntrustedText::truncated("abc", 3).as_str(), "abc");
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_short_visible_line(text in any::<String>()) {
            let cleaned = UntrustedText::new(&text);
            prop_assert!(cleaned.as_str().chars().count() <= UntrustedText::MAX_LENGTH + 1);
            let hidden = |c: char| c.is_control() || ('\u{200b}'..='\u{200f}').contains(&c) || c == '\u{202e}';
            let shows_all = !cleaned.as_str().contains(hidden);
            prop_assert!(shows_all);
            prop_assert_eq!(UntrustedText::new(cleaned.as_str()), cleaned);
        }

        #[test]
        fn no_secret_survives(before in ".*", secret in "vk_(live|sandbox|pub)_[a-z0-9]{1,20}|tok_[a-z0-9]{1,20}", after in ".*") {
            let cleaned = UntrustedText::new(&format!("{before}{secret}{after}"));
            prop_assert!(!cleaned.as_str().contains(&secret));
        }
    }
}
