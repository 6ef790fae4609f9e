//! Capture links: their tokens, each of which works once and for a while.
//!
//! Pure: the time is passed in. A token is a credential, so it never appears in a log or a `Debug`.

use indexmap::IndexMap;
use jiff::Timestamp;
use uuid::Uuid;

use super::insert_bounded;

/// What a visit to a link finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visit {
    Valid,
    Used,
    Expired,
    Replaced,
    Unknown,
}

struct Link {
    session_id: String,
    expires_at: Timestamp,
    spent: Option<Visit>,
}

pub(super) struct Links {
    by_token: IndexMap<String, Link>,
}

impl Links {
    pub(super) fn new() -> Self {
        Self { by_token: IndexMap::new() }
    }

    /// The token of a new link.
    pub(super) fn issue(&mut self, session_id: &str, expires_at: Timestamp) -> String {
        let token = format!("tok_{}", Uuid::new_v4().simple());
        let link = Link { session_id: session_id.to_owned(), expires_at, spent: None };
        insert_bounded(&mut self.by_token, token.clone(), link);
        token
    }

    pub(super) fn session_id(&self, token: &str) -> Option<&str> {
        self.by_token.get(token).map(|link| link.session_id.as_str())
    }

    /// Marks the link as replaced by a newer one.
    pub(super) fn replace(&mut self, token: &str) {
        self.spend(token, Visit::Replaced);
    }

    /// Uses the link up if it is valid.
    pub(super) fn visit(&mut self, token: &str, now: Timestamp) -> Visit {
        let visit = self.look(token, now);
        if visit == Visit::Valid {
            self.spend(token, Visit::Used);
        }
        visit
    }

    /// What a visit would find; does not use the link up.
    pub(super) fn look(&self, token: &str, now: Timestamp) -> Visit {
        match self.by_token.get(token) {
            None => Visit::Unknown,
            Some(Link { spent: Some(visit), .. }) => *visit,
            Some(link) if now >= link.expires_at => Visit::Expired,
            Some(_) => Visit::Valid,
        }
    }

    fn spend(&mut self, token: &str, visit: Visit) {
        if let Some(link) = self.by_token.get_mut(token) {
            link.spent.get_or_insert(visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn issue(links: &mut Links) -> String {
        links.issue("ses_1", later())
    }

    fn later() -> Timestamp {
        Timestamp::from_second(60).unwrap()
    }

    #[test]
    fn a_link_works_once_and_looking_does_not_count() {
        let mut links = Links::new();
        let token = issue(&mut links);
        assert_eq!(links.look(&token, NOW), Visit::Valid);
        assert_eq!(links.visit(&token, NOW), Visit::Valid);
        assert_eq!(links.visit(&token, NOW), Visit::Used);
        assert_eq!(links.visit(&token, later()), Visit::Used);
    }

    #[test]
    fn a_link_no_longer_works_once_it_has_expired() {
        let mut links = Links::new();
        let token = issue(&mut links);
        assert_eq!(links.visit(&token, later()), Visit::Expired);
    }

    #[test]
    fn a_replaced_link_says_so_unless_it_was_used_before() {
        let mut links = Links::new();
        let (unused, used) = (issue(&mut links), issue(&mut links));
        links.visit(&used, NOW);
        links.replace(&unused);
        links.replace(&used);
        assert_eq!(links.visit(&unused, NOW), Visit::Replaced);
        assert_eq!(links.visit(&used, NOW), Visit::Used);
    }

    #[test]
    fn tokens_look_like_verifas_and_differ() {
        let mut links = Links::new();
        let (one, other) = (issue(&mut links), issue(&mut links));
        assert!(one.starts_with("tok_") && one.len() == 36);
        assert_ne!(one, other);
        assert_eq!(links.session_id(&one), Some("ses_1"));
        assert_eq!(links.look("tok_made_up", NOW), Visit::Unknown);
    }
}
