//! What is known of a client's configuration before anything is done, and how it would look otherwise: text in, text out.
//!
//! It reads no file and runs nothing.

use serde_json::{Map, Value};

use super::{
    client::{Client, Format},
    entry::ServerName,
    json,
    ours::{described, is_ours},
    refusal::{Fault, Refusal},
    shown::visible,
    toml,
};

/// What is known before anything is done.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The client.
    pub client: Client,
    /// The entry's name.
    pub name: &'a ServerName,
    /// What the client's configuration file holds; none where there is no file.
    pub text: Option<&'a str>,
    /// Looks up what it held before this program changed it, as far as that is known.
    pub earlier: &'a dyn Fn() -> Vec<String>,
    /// Whether the client's own command can be run.
    pub has_own_command: bool,
    /// This program, by which an entry of ours is known.
    pub executable: &'a str,
}

impl Situation<'_> {
    /// The entry of this name, which is one of ours.
    ///
    /// # Errors
    /// The configuration cannot be read, or the entry is another server's.
    pub fn existing(&self) -> Result<Option<Value>, Refusal> {
        let Some(text) = self.text else { return Ok(None) };
        let found = match self.client.format() {
            Format::Json { servers } => json::find(text, servers, self.name.as_str())?,
            Format::Toml => toml::find(text, self.name.as_str())?,
        };
        match found {
            Some(entry) if !is_ours(&entry, self.executable) => {
                Err(Refusal::Foreign { name: self.name.to_string(), starts: described(&entry) })
            }
            found => Ok(found),
        }
    }

    /// The text with an entry of these fields.
    pub(super) fn put(&self, text: &str, fields: &Map<String, Value>, input: Option<&Value>) -> Result<String, Fault> {
        match self.client.format() {
            Format::Json { servers } => json::put(text, servers, self.name.as_str(), fields, input),
            Format::Toml => toml::put(text, self.name.as_str(), fields),
        }
    }

    /// The earlier text that putting this entry in has made into the present one: to the byte what is there without it.
    pub(super) fn text_before(&self, entry: &Value) -> Option<String> {
        let input = self.client.asks_for_secrets().then(|| json::input(self.text?, &self.name.input_id())).flatten();
        let was_before = |earlier: &String| {
            let had_none = Situation { text: Some(earlier), ..*self }.existing() == Ok(None);
            let with_entry = self.put(earlier, entry.as_object().unwrap_or(&Map::new()), input.as_ref());
            had_none && with_entry.is_ok_and(|with_entry| Some(&with_entry[..]) == self.text)
        };
        (self.earlier)().into_iter().find(was_before)
    }

    /// What may be seen of an entry, as it would stand in a file of its own.
    pub(super) fn alone(&self, entry: &Value, input: Option<&Value>) -> String {
        self.put("", &visible(entry), input).unwrap_or_default()
    }

    /// Whether the client's own command leaves all that is in the file. It writes the servers anew: `code` drops comments,
    /// and `codex` those beside servers, a byte-order mark and the line ends of Windows.
    pub(super) fn survives_own_command(&self) -> bool {
        self.text.is_none_or(|text| match self.client.format() {
            Format::Json { .. } => serde_json::from_str::<Value>(text).is_ok(),
            Format::Toml => !text.contains(['#', '\r', '\u{feff}']),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_there_before_an_entry_came_is_known_by_what_it_becomes_with_it() {
        let entry = json!({"command": "verifa-mcp", "args": ["stdio"]});
        let name = ServerName::default();
        let situation = |client| Situation {
            client,
            name: &name,
            text: None,
            earlier: &Vec::new,
            has_own_command: false,
            executable: "x",
        };
        for (client, before) in [
            (Client::Cursor, "{}"),
            (Client::Cursor, "{\"theme\":\"dark\"}"),
            (Client::Cursor, "{ \"mcpServers\": { \"a\": {\"command\": \"x\"}, } }\n"),
            (Client::Cursor, "{\n  \"mcpServers\": {\n    \"a\": {}\n\n  }\n}\n"),
            (Client::VsCode, "{\"servers\":{},\"inputs\":[]}"),
            (Client::Codex, "[mcp_servers]\n"),
        ] {
            let situation = situation(client);
            let input = client.asks_for_secrets().then(|| json!({"id": "verifa-mcp-key", "password": true}));
            let with = situation.put(before, entry.as_object().unwrap(), input.as_ref()).unwrap();
            let found = |text: &str, earlier: &[String]| {
                Situation { text: Some(text), earlier: &|| earlier.to_vec(), ..situation }.text_before(&entry)
            };
            let earlier = [with.clone(), format!("\n{before}"), before.to_owned()];
            assert_eq!(found(&with, &earlier).as_deref(), Some(before));
            assert_eq!(found(&format!("{with}\n"), &earlier), None, "{with}");
            assert_eq!(found(&with, &earlier[..2]), None, "{with}");
        }
    }
}
