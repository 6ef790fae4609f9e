//! Tokens whose claims must be rejected, and texts that are no token.

use serde_json::{Value, json};

use super::{
    AUDIENCE, BOUND, CLAIMS, Case, ENCRYPTED, EXPIRED, ISSUER, MALFORMED, NO_EXPIRY, NOT_ACCESS, NOT_YET, SCOPES,
    SIGNATURE, STATIC, SUBJECT, TOO_LONG, payload,
};
use crate::oauth::authorization_server::{AuthorizationServer, PUBLIC_URL, encode};

pub(super) fn rejected(server: &AuthorizationServer) -> Vec<Case> {
    let now = jiff::Timestamp::now().as_second();
    let text = |value: Value| value.to_string();
    let origin = "https://mcp.example.com";
    let mut cases: Vec<(&[&str], String, &str)> = vec![(&["aud"], String::new(), AUDIENCE)];
    for audience in [
        json!("https://other.example.com/mcp"),
        json!(format!("{PUBLIC_URL}/")),
        json!(origin),
        json!(format!("{PUBLIC_URL}/extra")),
        json!(PUBLIC_URL.to_uppercase()),
        json!(null),
        json!([]),
        json!(["a", "b"]),
        json!([PUBLIC_URL, 1]),
        json!({PUBLIC_URL: true}),
    ] {
        cases.push((&["aud"], format!(r#""aud":{audience}"#), AUDIENCE));
    }
    cases.push((&["iss"], String::new(), ISSUER));
    let issuer = &server.issuer;
    for issuer in
        [json!(format!("{issuer}/")), json!("https://evil.example"), json!([issuer]), json!(issuer.to_uppercase())]
    {
        cases.push((&["iss"], format!(r#""iss":{issuer}"#), ISSUER));
    }
    cases.push((&["exp"], String::new(), NO_EXPIRY));
    for (exp, why) in [
        (text(json!(now - 90)), EXPIRED),
        ("null".to_owned(), NO_EXPIRY),
        (format!("\"{}\"", now + 600), NO_EXPIRY),
        ("0".to_owned(), EXPIRED),
        ("-1".to_owned(), EXPIRED),
        ("1e400".to_owned(), CLAIMS),
    ] {
        cases.push((&["exp"], format!(r#""exp":{exp}"#), why));
    }
    for name in ["nbf", "iat"] {
        cases.push((&["iat"], format!(r#""{name}":{}"#, now + 90), NOT_YET));
        cases.push((&["iat"], format!(r#""{name}":"{now}""#), CLAIMS));
    }
    cases.push((&["sub"], String::new(), SUBJECT));
    for subject in [json!(""), json!(7), json!("s".repeat(2_048)), json!(null)] {
        cases.push((&["sub"], format!(r#""sub":{subject}"#), SUBJECT));
    }
    for (claim, why) in [
        (r#""cnf":{"jkt":"x"}"#, BOUND),
        (r#""cnf":null"#, BOUND),
        (r#""nonce":"n""#, NOT_ACCESS),
        (r#""at_hash":"h""#, NOT_ACCESS),
        (r#""token_use":"id""#, NOT_ACCESS),
        (r#""typ":"ID""#, NOT_ACCESS),
        (r#""typ":"Refresh""#, NOT_ACCESS),
        (r#""typ":"Offline""#, NOT_ACCESS),
        (r#""typ":"Logout""#, NOT_ACCESS),
        (r#""events":{}"#, NOT_ACCESS),
    ] {
        cases.push((&[], claim.to_owned(), why));
    }
    cases.push((&["scope"], r#""scope":{"verifa:read":true}"#.to_owned(), SCOPES));
    cases.push((&["scope"], r#""scp":[1]"#.to_owned(), SCOPES));
    for repeated in ["aud", "exp", "iss", "sub", "scope"] {
        let value = &server.claims()[repeated];
        cases.push((&[], format!(r#""{repeated}":{value}"#), CLAIMS));
    }
    cases.push((&["aud"], format!(r#""aud":"evil","aud":"{PUBLIC_URL}""#), CLAIMS));
    cases.push((&[], r#""cnf":{},"cnf":null"#.to_owned(), CLAIMS));
    let header = r#"{"alg":"EdDSA","kid":"ed25519"}"#;
    let signed =
        |without: &[&str], appended: &str| server.keys.token("EdDSA", header, payload(server, without, appended));
    cases.into_iter().map(|(without, appended, why)| (appended.clone(), signed(without, &appended), why)).collect()
}

pub(super) fn malformed(server: &AuthorizationServer) -> Vec<Case> {
    let keys = &server.keys;
    let header = r#"{"alg":"EdDSA","kid":"ed25519"}"#;
    let valid = payload(server, &[], "");
    let token = keys.token("EdDSA", header, &valid);
    let parts: Vec<_> = token.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let mut cases: Vec<Case> = Vec::new();
    let mut add = |name: &str, token: String, why| cases.push((name.to_owned(), token, why));
    let deep = format!("{{\"iss\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    for (name, payload) in [
        ("array", format!("[{valid}]").into_bytes()),
        ("text", b"\"text\"".to_vec()),
        ("trailing bytes", format!("{valid} x").into_bytes()),
        ("byte order mark", format!("\u{feff}{valid}").into_bytes()),
        ("not UTF-8", [&valid.as_bytes()[..valid.len() - 1], b",\"x\":\"\xff\"}"].concat()),
        ("deep", deep.into_bytes()),
    ] {
        add(name, keys.token("EdDSA", header, payload), CLAIMS);
    }
    let bytes = keys.sign("EdDSA", format!("{head}.{body}").as_bytes());
    let mut flipped = bytes.clone();
    flipped[10] ^= 1;
    for (name, signature) in [
        ("empty", Vec::new()),
        ("cut", bytes[..63].to_vec()),
        ("flipped", flipped),
        ("zero", vec![0; 64]),
        ("longer", [&bytes[..], &[0]].concat()),
    ] {
        add(name, format!("{head}.{body}.{}", encode(signature)), SIGNATURE);
    }
    let last = signature.chars().last().unwrap();
    let other_spelling = char::from(u8::try_from(u32::from(last)).unwrap() + 1);
    add(
        "another spelling of the last digit",
        format!("{head}.{body}.{}{other_spelling}", &signature[..signature.len() - 1]),
        MALFORMED,
    );
    add("changed payload", format!("{head}.{}.{signature}", encode(valid.replace("jane", "john"))), SIGNATURE);
    add("padding", format!("{token}=="), MALFORMED);
    add("a blank", token.replacen('.', " .", 1), MALFORMED);
    add("standard base64", format!("{head}.{body}.+/{}", &signature[2..]), MALFORMED);
    for count in [1, 2, 4] {
        add("parts", [head, body, signature, "x"][..count].join("."), MALFORMED);
    }
    add("five parts", format!("{token}.x.x"), ENCRYPTED);
    add("40 KB", format!("{token}{}", "A".repeat(40_000)), TOO_LONG);
    add("a key", "vk_live_0123456789abcdef".to_owned(), STATIC);
    add("a token of token mode", "vmt_0123456789abcdef".to_owned(), STATIC);
    cases
}
