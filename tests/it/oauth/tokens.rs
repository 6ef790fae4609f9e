//! Which tokens are accepted and which are not: each is sent over HTTP to the real program.

mod claims;
mod headers;

use serde_json::{Value, json};

use super::{
    answer,
    authorization_server::{AuthorizationServer, JWKS, Keys, PUBLIC_URL, Reply, encode},
    list_tools, server_for,
};

/// A token's name, the token, and the description in the challenge; empty for one that is accepted.
type Case = (String, String, &'static str);

const AUDIENCE: &str = "The token was issued for another audience";
const ISSUER: &str = "The token was issued by another authorization server";
const ALGORITHM: &str = "The token is signed with an algorithm that is not allowed";
const HEADER: &str = "The header of the token is invalid";
const PARAMETER: &str = "The header of the token has a parameter that is not supported";
const TYPE: &str = "The token is of another type than an access token";
const NOT_ACCESS: &str = "The token is not an access token";
const CLAIMS: &str = "The claims of the token are invalid";
const NO_EXPIRY: &str = "The token has no valid expiry time";
const EXPIRED: &str = "The token has expired";
const NOT_YET: &str = "The token is not valid yet";
const UNKNOWN_KEY: &str = "The token is signed with an unknown key";
const AMBIGUOUS: &str = "More than one key fits the token";
const SIGNATURE: &str = "The signature of the token is invalid";
const SUBJECT: &str = "The token has no valid subject";
const BOUND: &str = "The token is bound to a key";
const SCOPES: &str = "The scopes of the token are invalid";
const MALFORMED: &str = "The token is not a JWT";
const TOO_LONG: &str = "The token is too long";
const ENCRYPTED: &str = "The token is encrypted";
const STATIC: &str = "The token is a Verifa key or a token of this server, not an OAuth access token";

fn jwks(keys: &Keys) -> Value {
    let with = |mut key: Value, name: &str, value: Value| {
        key[name] = value;
        key
    };
    let rsa = |kid: &str| Keys::rsa_jwk(&keys.rsa, kid);
    let curve = |crv: &str| json!({"kty": "EC", "crv": crv, "kid": crv, "x": encode([1; 32]), "y": encode([2; 32])});
    json!({"keys": [
        rsa("rsa"),
        with(rsa("rsa-rs256"), "alg", json!("RS256")),
        with(rsa("enc"), "use", json!("enc")),
        with(rsa("ops"), "key_ops", json!(["sign"])),
        rsa("same"),
        keys.p256_jwk("same"),
        keys.p256_jwk("p256"),
        with(with(keys.p384_jwk("p384"), "use", json!("sig")), "key_ops", json!(["verify"])),
        keys.ed25519_jwk("ed25519"),
        {"kty": "oct", "kid": "oct", "k": encode([7; 32])},
        {"kty": "AKP", "kid": "akp", "alg": "ML-DSA-44", "pub": ""},
        {"kty": "RSA", "kid": "broken"},
        {"kty": "RSA", "kid": "small", "n": encode([255; 128]), "e": "AQAB"},
        curve("secp256k1"),
        17,
    ]})
}

/// The claims that pass, as text, without some of them and with these members appended, also repeated ones.
fn payload(server: &AuthorizationServer, without: &[&str], appended: &str) -> String {
    let mut claims = server.claims();
    for name in without {
        claims.as_object_mut().unwrap().remove(*name);
    }
    let claims = claims.to_string();
    let comma = if appended.is_empty() { "" } else { "," };
    format!("{}{comma}{appended}}}", claims.strip_suffix('}').unwrap())
}

fn accepted(server: &AuthorizationServer) -> Vec<Case> {
    let keys = &server.keys;
    let now = jiff::Timestamp::now().as_second();
    let mut cases = Vec::new();
    let mut add = |name: &str, token: String| cases.push((name.to_owned(), token, ""));
    for (algorithm, kid) in [
        ("RS256", "rsa"),
        ("RS256", "rsa-rs256"),
        ("PS256", "rsa"),
        ("ES256", "p256"),
        ("ES384", "p384"),
        ("EdDSA", "ed25519"),
        ("Ed25519", "ed25519"),
        ("RS256", "same"),
        ("ES256", "same"),
    ] {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"{kid}"}}"#);
        add(&header, keys.token(algorithm, &header, payload(server, &[], "")));
    }
    for members in [
        r#""typ":"at+jwt""#,
        r#""typ":"AT+JWT""#,
        r#""typ":"application/at+jwt""#,
        r#""typ":"JWT""#,
        r#""x5t":"abc","jwk":{},"jku":"https://evil.example/""#,
    ] {
        let header = format!(r#"{{"alg":"EdDSA","kid":"ed25519",{members}}}"#);
        add(members, keys.token("EdDSA", &header, payload(server, &[], "")));
    }
    add("no kid, one key", keys.token("EdDSA", r#"{"alg":"EdDSA"}"#, payload(server, &[], "")));
    for claims in [
        json!({"aud": [PUBLIC_URL]}),
        json!({"aud": [PUBLIC_URL, "account"]}),
        json!({"aud": ["https://auth.example.com/userinfo", PUBLIC_URL]}),
        json!({"exp": now - 30}),
        json!({"nbf": now + 30, "iat": now + 30}),
        json!({"exp": now as f64 + 0.5, "iat": now as f64 - 0.5}),
        json!({"scope": "openid verifa:read", "azp": "client", "custom": {"a": [1]}}),
        json!({"token_use": "access", "typ": "Bearer", "nonce": "n"}),
    ] {
        let header = r#"{"alg":"EdDSA","kid":"ed25519","typ":"JWT"}"#;
        add(&claims.to_string(), keys.token("EdDSA", header, server.claims_with(&claims).to_string()));
    }
    let scp = |scp: &str| payload(server, &["scope"], &format!(r#""scp":{scp}"#));
    for scp in [r#"["verifa:read","x"]"#, r#""verifa:read""#].map(scp) {
        add("scp", keys.token("EdDSA", r#"{"alg":"EdDSA","kid":"ed25519"}"#, scp));
    }
    cases
}

#[cfg(unix)]
#[tokio::test]
async fn valid_tokens_are_accepted_and_all_others_are_rejected_with_the_reason() {
    let authorization_server = AuthorizationServer::start().await;
    authorization_server.reply(JWKS, Reply::Json(200, jwks(&authorization_server.keys)));
    let server = server_for(&authorization_server, "http://127.0.0.1:1", &[]).await;
    let cases = [accepted, headers::rejected, headers::symmetric, claims::rejected, claims::malformed]
        .into_iter()
        .flat_map(|cases| cases(&authorization_server));
    let (mut yes, mut no) = (0, 0);
    let mut wrong = Vec::new();
    for (name, token, why) in cases {
        let (status, challenge, body) = answer(&server, &token, &list_tools()).await;
        assert!(!body.contains(&token) && !challenge.contains(&token), "{name}");
        let start = format!("Bearer error=\"invalid_token\", error_description=\"{why}\", resource_metadata=\"");
        let is_right = match why {
            "" => status == 200,
            _ => status == 401 && challenge.starts_with(&start) && body.contains(why),
        };
        if why.is_empty() {
            yes += 1
        } else {
            no += 1
        }
        if !is_right {
            wrong.push(format!("{name}: {status} {challenge} instead of {why:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(yes >= 17 && no >= 125, "{yes} accepted, {no} rejected");
    server.signal("TERM").await;
    assert!(!server.end().await.1.contains("eyJ"));
}
