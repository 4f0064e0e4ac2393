//! Vectors of authority keys and server addresses: spec 4.7.

use serde_json::{Value as Json, json};
use sv2::noise::{AuthorityKeyError, AuthorityPublicKey, AuthoritySecretKey, StratumUrl, UrlError};

use super::{File, Group, Outcome, Test, hex, new_file, new_group};

/// The text of an authority's public key to its bytes.
pub(super) const PUBLIC_KEY: &str = "authority public key";
/// An authority's secret key to its texts.
pub(super) const SECRET_KEY: &str = "authority secret key";
/// The address of a server to its parts.
pub(super) const URL: &str = "server address";

/// The example of spec 4.7.1.
const EXAMPLE: &str = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";

pub(super) fn generate() -> File {
    new_file(
        "authority keys and server addresses",
        &[
            ("spec-example", "stands in spec 4.7"),
            ("not-base58", "a character that base58 does not have, or none at all"),
            ("checksum", "the checksum does not fit"),
            ("length", "too short or too long"),
            ("version", "the version is not 1 as a little-endian U16"),
            ("not-on-curve", "no point has this x coordinate"),
            ("no-secret-key", "zero, or not below the order of the curve"),
            (
                "secret-text",
                "the text of a secret key is a convention of what is deployed; the specification has none",
            ),
            ("scheme", "another protocol, or none"),
            ("host", "no host"),
            ("port", "no port"),
            (
                "no-key",
                "the specification embeds the key in the address; whether a client takes an address without one is open (AMB-27)",
            ),
        ],
        vec![public_keys(), secret_keys(), urls()],
    )
}

fn public_keys() -> Group {
    let mistyped = EXAMPLE.replace("XiEd8", "XiEd9");
    let rows: [(&str, &str, &str, &str); 16] = [
        ("example", EXAMPLE, "spec-example", ""),
        (
            "reversed",
            "9bHD13nvyUWFxTLLEbDNmAq65Mw9Xg54QY1mMwtmZetmC8WJZ9t",
            "",
            "the example's bytes the other way round are a key too",
        ),
        ("empty", "", "not-base58", "no text"),
        ("hexadecimal", "7663700097 9c1c11", "not-base58", "a space"),
        (
            "letter-l",
            "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXl",
            "not-base58",
            "a small L",
        ),
        (
            "letter-o",
            "9bXiEd8bOQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh",
            "not-base58",
            "a capital O",
        ),
        ("mistyped", &mistyped, "checksum", "one digit is wrong"),
        ("cut", &EXAMPLE[..50], "checksum", "the last character is missing"),
        ("short", "2wwzNfYdS1nvf66opBLJzeuoskGUXR95BgQ3Gvcw1M1Ttxo9bC", "length", "31 bytes"),
        ("long", "ewQZ18UYbphhDMjnew4WF1dEcSTWBhCbxmq9j6ZLhzneFh7Hx8dp", "length", "33 bytes"),
        (
            "compressed",
            "esXCzjyRJhsue48Z4m3aEiEj6XSYcVobthGGbMwBbP1pcwrFtSRp",
            "length",
            "a compressed key of 33 bytes, with its sign",
        ),
        (
            "no-version",
            "u95GEReVMjK6k5YqiSFNqqTnKU4ypU2Wm8awa6tmbmDmk1bWt",
            "length",
            "32 bytes without a version",
        ),
        (
            "version-2",
            "JBAHPz2mxKdgM8HBhdW2bZpLLBd8uXGnum2FVdm5rH2Kt8nBY8G",
            "version",
            "version 2",
        ),
        (
            "version-big-endian",
            "13qtFVgTVv2xSvKnTRLSChScNtwBigfLp9qEq6FztRc9iPwRebh",
            "version",
            "version 1 in the wrong byte order",
        ),
        ("x-5", "9adaAMuB9v8yX1mZ5PtoB6VFSCeqRGjASd8ZTM6VUkiHLnHWfDH", "not-on-curve", "x = 5"),
        (
            "x-above-p",
            "9caKLbMD1LpCeqMFyyWo8R62MKGZ4ya3EGCfhVnNjbCSN6qVC53",
            "not-on-curve",
            "x = p + 1: the point of x = 1 exists, but is not written like this",
        ),
    ];
    let tests = rows
        .map(|(id, text, flag, comment)| {
            let outcome = read_public_key(text);
            let result = if outcome.is_ok() { Outcome::Valid } else { Outcome::Invalid };
            let wanted =
                if matches!(flag, "" | "spec-example") { Outcome::Valid } else { Outcome::Invalid };
            assert_eq!(result, wanted, "public key {id}");
            let (Ok(expected) | Err(expected)) = outcome;
            let flags: &[&str] = if flag.is_empty() { &[] } else { &[flag] };
            Test::new(
                format!("public-key/{id}"),
                comment,
                json!({ "text": text }),
                expected,
                result,
                flags,
            )
        })
        .into();
    new_group(PUBLIC_KEY, json!({}), tests)
}

fn read_public_key(text: &str) -> Result<Json, Json> {
    let key: AuthorityPublicKey = text.parse().map_err(|error| refusal(&error))?;
    Ok(json!({ "x": hex(key.to_bytes()), "text": key.to_string() }))
}

fn refusal(error: &AuthorityKeyError) -> Json {
    let why = match error {
        AuthorityKeyError::NotBase58 => "not-base58",
        AuthorityKeyError::Checksum => "checksum",
        AuthorityKeyError::Length { .. } => "length",
        AuthorityKeyError::Version(_) => "version",
        AuthorityKeyError::NotOnCurve => "not-on-curve",
        AuthorityKeyError::InvalidSecretKey(_) => "no-secret-key",
    };
    json!({ "error": why })
}

fn secret_keys() -> Group {
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let tests = [
        ("one", "00".repeat(31) + "01", "the generator", true),
        (
            "even",
            "0101010101010101010101010101010101010101010101010101010101010101".into(),
            "any other",
            true,
        ),
        ("odd", "00".repeat(31) + "03", "three", true),
        ("zero", "00".repeat(32), "zero", false),
        ("order", order.into(), "the order of the curve", false),
        ("max", "ff".repeat(32), "above the order of the curve", false),
    ]
    .map(|(id, secret, comment, is_good)| {
        let outcome = show_secret_key(&secret);
        assert_eq!(outcome.is_ok(), is_good, "secret key {id}");
        let (result, flag) = match is_good {
            true => (Outcome::Acceptable, "secret-text"),
            false => (Outcome::Invalid, "no-secret-key"),
        };
        let (Ok(expected) | Err(expected)) = outcome;
        Test::new(
            format!("secret-key/{id}"),
            comment,
            json!({ "secret": secret }),
            expected,
            result,
            &[flag],
        )
    });
    new_group(SECRET_KEY, json!({}), tests.into())
}

fn show_secret_key(secret: &str) -> Result<Json, Json> {
    let bytes = super::unhex(secret).and_then(|bytes| bytes.try_into().ok());
    let bytes: [u8; 32] = bytes.ok_or_else(|| json!({ "error": "not 32 bytes" }))?;
    let key = AuthoritySecretKey::from_bytes(&bytes).map_err(|error| refusal(&error.into()))?;
    let text = key.to_text();
    let public_key = key.public_key();
    Ok(json!({
        "text": *text,
        "public_key": { "x": hex(public_key.to_bytes()), "text": public_key.to_string() },
    }))
}

fn urls() -> Group {
    let with_key = |endpoint: &str| format!("stratum2+tcp://{endpoint}/{EXAMPLE}");
    let rows: [(&str, String, &str, &str); 17] = [
        ("example", with_key("thepool.com:34254"), "spec-example", ""),
        ("ipv4", with_key("127.0.0.1:34254"), "", "an IPv4 address"),
        ("ipv6", with_key("[2001:db8::1]:3333"), "", "an IPv6 address in brackets"),
        ("port-65535", with_key("pool:65535"), "", "the highest port"),
        ("no-key", "stratum2+tcp://thepool.com:34254".into(), "no-key", "an address without a key"),
        ("no-key-slash", "stratum2+tcp://thepool.com:34254/".into(), "no-key", "an empty path"),
        (
            "stratum-1",
            format!("stratum+tcp://thepool.com:34254/{EXAMPLE}"),
            "scheme",
            "the scheme of Stratum V1",
        ),
        ("no-scheme", format!("thepool.com:34254/{EXAMPLE}"), "scheme", "no scheme"),
        ("no-host", with_key(":34254"), "host", "a port alone"),
        ("space", with_key("the pool:34254"), "host", "a space in the host"),
        (
            "bare-ipv6",
            with_key("2001:db8::1:3333"),
            "host",
            "an IPv6 address without brackets: where does it end?",
        ),
        ("no-port", with_key("thepool.com"), "port", "no port"),
        ("port-0", with_key("thepool.com:0"), "port", "port 0"),
        ("port-65536", with_key("thepool.com:65536"), "port", "above the highest port"),
        ("port-sign", with_key("thepool.com:+3333"), "port", "a sign in front of the port"),
        (
            "bad-key",
            "stratum2+tcp://thepool.com:34254/9bXiEd9boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh"
                .into(),
            "checksum",
            "the key is mistyped",
        ),
        (
            "two-paths",
            with_key("thepool.com:34254/stratum"),
            "not-base58",
            "something stands in front of the key",
        ),
    ];
    let tests = rows
        .map(|(id, text, flag, comment)| {
            let outcome = read_url(&text);
            let result = match flag {
                "" | "spec-example" => Outcome::Valid,
                "no-key" => Outcome::Acceptable,
                _ => Outcome::Invalid,
            };
            assert_eq!(outcome.is_ok(), result != Outcome::Invalid, "address {id}");
            let (Ok(expected) | Err(expected)) = outcome;
            let flags: &[&str] = if flag.is_empty() { &[] } else { &[flag] };
            Test::new(
                format!("address/{id}"),
                comment,
                json!({ "text": text }),
                expected,
                result,
                flags,
            )
        })
        .into();
    new_group(URL, json!({}), tests)
}

fn read_url(text: &str) -> Result<Json, Json> {
    let url: StratumUrl = text.parse().map_err(|error| match &error {
        UrlError::Scheme => json!({ "error": "scheme" }),
        UrlError::Port => json!({ "error": "port" }),
        UrlError::Host => json!({ "error": "host" }),
        UrlError::Authority(error) => refusal(error),
    })?;
    let key = url.authority.map(|key| key.to_string());
    Ok(json!({ "host": url.host, "port": url.port, "authority": key }))
}

pub(super) fn verify(operation: &str, test: &Test) -> Result<(), String> {
    test.judge(match operation {
        PUBLIC_KEY => read_public_key(test.text("text")?),
        SECRET_KEY => show_secret_key(test.text("secret")?),
        URL => read_url(test.text("text")?),
        other => return Err(format!("no operation is called `{other}`")),
    })
}
