//! What the person sees: the card, an MCP App that shows a capture link, for hosts that show such things.
//!
//! It is one HTML file without any need of a network, put together here from its markup, style and script. It holds no
//! data of anybody: the host hands it each tool's result. Its scripts know the fields of results and Verifa's statuses;
//! this module knows nothing of tools and of Verifa.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use rmcp::model::{ExtensionCapabilities, JsonObject, MetaObject, Resource, ResourceContents};
use serde_json::json;
use sha2::{Digest, Sha256};

/// The card's address.
pub(crate) const URI: &str = "ui://verifa/capture-link.html";

const EXTENSION: &str = "io.modelcontextprotocol/ui";
const MIME_TYPE: &str = "text/html;profile=mcp-app";

static HTML: LazyLock<String> = LazyLock::new(|| {
    let style = include_str!("capture-link.css");
    let script = concat!(
        include_str!("host.js"),
        include_str!("texts.js"),
        include_str!("result.js"),
        include_str!("time.js"),
        include_str!("progress.js"),
        include_str!("view.js"),
        include_str!("capture-link.js")
    );
    let script_hash = format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(script)));
    include_str!("capture-link.html")
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{script hash}", &script_hash)
        .replace("{style}", style)
        .replace("{script}", script)
});

/// What the server says of apps among its capabilities.
pub(crate) fn extension() -> ExtensionCapabilities {
    ExtensionCapabilities::from_iter([(EXTENSION.to_owned(), JsonObject::new())])
}

/// What a tool says of the card that shows its results.
pub(crate) fn tool_meta() -> MetaObject {
    let ui = json!({"resourceUri": URI, "visibility": ["model", "app"]});
    let for_older_hosts = ("ui/resourceUri".to_owned(), json!(URI));
    MetaObject(JsonObject::from_iter([("ui".to_owned(), ui), for_older_hosts]))
}

/// The card, as `resources/list` shows it.
pub(crate) fn resource() -> Resource {
    Resource::new(URI, "capture-link")
        .with_title("Capture link card")
        .with_description("Shows a capture link with its QR code, a countdown and the session's status, in hosts that support MCP Apps.")
        .with_mime_type(MIME_TYPE)
        .with_meta(meta())
}

/// The card itself.
pub(crate) fn contents() -> ResourceContents {
    ResourceContents::text(HTML.as_str(), URI).with_mime_type(MIME_TYPE).with_meta(meta())
}

/// How a host is to show the card: without any network, but with the right to copy.
fn meta() -> MetaObject {
    let ui = json!({
        "csp": {"connectDomains": [], "resourceDomains": [], "frameDomains": [], "baseUriDomains": []},
        "permissions": {"clipboardWrite": {}},
        "prefersBorder": true,
    });
    MetaObject(JsonObject::from_iter([("ui".to_owned(), ui)]))
}
