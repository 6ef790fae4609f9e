//! Tokens whose header must be rejected, and signatures with a key that is public.

use super::{ALGORITHM, AMBIGUOUS, Case, HEADER, PARAMETER, SIGNATURE, TYPE, UNKNOWN_KEY, payload};
use crate::oauth::authorization_server::{AuthorizationServer, Keys, encode};

pub(super) fn rejected(server: &AuthorizationServer) -> Vec<Case> {
    let keys = &server.keys;
    let valid = payload(server, &[], "");
    let mut cases: Vec<Case> = Vec::new();
    let mut add = |header: &str, signed_with: &str, why| {
        cases.push((header.to_owned(), keys.token(signed_with, header, &valid), why));
    };
    for algorithm in ["none", "None", "NONE", "nOnE", "RS1", "HS256", "ES256K", "rs256", ""] {
        add(&format!(r#"{{"alg":"{algorithm}","kid":"rsa"}}"#), "RS256", ALGORITHM);
    }
    add(r#"{"kid":"rsa"}"#, "RS256", HEADER);
    add(r#"{"alg":1,"kid":"rsa"}"#, "RS256", HEADER);
    add(r#"{"alg":"RS256","kid":"oct"}"#, "RS256", UNKNOWN_KEY);
    add(r#"{"alg":"RS256"}"#, "RS256", AMBIGUOUS);
    for kid in
        ["unknown", "../../dev/null", "https://evil.example/key", r"a\u0000b", "enc", "ops", "broken", "small", ""]
    {
        add(&format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#), "RS256", UNKNOWN_KEY);
    }
    add(r#"{"alg":"RS256","kid":7}"#, "RS256", HEADER);
    add(r#"{"alg":"RS256","kid":null}"#, "RS256", HEADER);
    add(&format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(4_096)), "RS256", HEADER);
    for (algorithm, kid, signed_with) in [
        ("RS256", "p256", "ES256"),
        ("ES256", "rsa", "RS256"),
        ("EdDSA", "rsa", "RS256"),
        ("ES384", "p256", "ES256"),
        ("ES256", "secp256k1", "ES256"),
        ("PS256", "rsa-rs256", "PS256"),
    ] {
        add(&format!(r#"{{"alg":"{algorithm}","kid":"{kid}"}}"#), signed_with, UNKNOWN_KEY);
    }
    add(r#"{"alg":"RS256","kid":"rsa"}"#, "PS256", SIGNATURE);
    add(r#"{"alg":"RS256","kid":"rsa"}"#, "FOREIGN", SIGNATURE);
    let foreign = Keys::rsa_jwk(&keys.foreign, "rsa");
    add(&format!(r#"{{"alg":"RS256","kid":"rsa","jwk":{foreign}}}"#), "FOREIGN", SIGNATURE);
    add(&format!(r#"{{"alg":"RS256","jwk":{foreign}}}"#), "FOREIGN", AMBIGUOUS);
    for name in ["jku", "x5u"] {
        add(&format!(r#"{{"alg":"RS256","kid":"rsa","{name}":"{}/evil"}}"#, server.issuer), "FOREIGN", SIGNATURE);
    }
    add(r#"{"alg":"RS256","kid":"rsa","x5c":["MIIB"]}"#, "FOREIGN", SIGNATURE);
    for parameter in [
        r#""crit":["exp"]"#,
        r#""crit":["b64"]"#,
        r#""crit":[]"#,
        r#""b64":false"#,
        r#""cty":"JWT""#,
        r#""zip":"DEF""#,
        r#""enc":null"#,
    ] {
        add(&format!(r#"{{"alg":"RS256","kid":"rsa",{parameter}}}"#), "RS256", PARAMETER);
    }
    for typ in ["dpop+jwt", "logout+jwt", "secevent+jwt", ""] {
        add(&format!(r#"{{"alg":"RS256","kid":"rsa","typ":"{typ}"}}"#), "RS256", TYPE);
    }
    add(r#"{"alg":"RS256","kid":"rsa","typ":1}"#, "RS256", HEADER);
    for repeated in [r#""alg":"RS256""#, r#""kid":"rsa""#, r#""crit":[],"crit":[]"#] {
        add(&format!(r#"{{"alg":"RS256","kid":"rsa",{repeated}}}"#), "RS256", HEADER);
    }
    add(r#"["RS256","rsa"]"#, "RS256", HEADER);
    cases
}

/// HS256 with whatever an attacker may take for the key: all of it is public.
pub(super) fn symmetric(server: &AuthorizationServer) -> Vec<Case> {
    let jwk = Keys::rsa_jwk(&server.keys.rsa, "rsa");
    let secrets =
        [jwk["n"].as_str().unwrap().as_bytes().to_vec(), Vec::new(), vec![7; 32], jwk.to_string().into_bytes()];
    let message = |kid: &str| {
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
        format!("{}.{}", encode(header), encode(payload(server, &[], "")))
    };
    let signed = |(kid, secret): (&str, Vec<u8>)| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let message = message(kid);
        let tag = ring::hmac::sign(&key, message.as_bytes());
        ("HS256".to_owned(), format!("{message}.{}", encode(tag)), ALGORITHM)
    };
    ["rsa", "oct"].into_iter().flat_map(|kid| secrets.clone().map(|secret| (kid, secret))).map(signed).collect()
}
