//! Which tokens are accepted and which are not: each is sent over HTTP to the real program.

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

fn rejected_headers(server: &AuthorizationServer) -> Vec<Case> {
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

fn rejected_claims(server: &AuthorizationServer) -> Vec<Case> {
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

fn malformed(server: &AuthorizationServer) -> Vec<Case> {
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

/// HS256 with whatever an attacker may take for the key: all of it is public.
fn symmetric(server: &AuthorizationServer) -> Vec<Case> {
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

#[tokio::test]
async fn valid_tokens_are_accepted_and_all_others_are_rejected_with_the_reason() {
    let authorization_server = AuthorizationServer::start().await;
    authorization_server.reply(JWKS, Reply::Json(200, jwks(&authorization_server.keys)));
    let server = server_for(&authorization_server, "http://127.0.0.1:1", &[]).await;
    let cases = [accepted, rejected_headers, rejected_claims, malformed, symmetric]
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
