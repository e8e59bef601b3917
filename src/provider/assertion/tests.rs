use aws_lc_rs::{
    encoding::{AsBigEndian, AsDer},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED, KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};
use base64::engine::general_purpose::STANDARD;

use super::*;

/// Key and curve of a SEC1 key on P-256, before and after the 32 bytes of the private key (RFC 5915).
const SEC1: (&[u8], &[u8]) = (
    &[0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20],
    &[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0xa1, 0x44, 0x03, 0x42, 0x00],
);
/// What stands before the PKCS#1 key in a PKCS#8 key of 2048 bits.
const PKCS8_BEFORE_RSA: usize = 26;
const NOW: i64 = 1_700_000_000;

fn pem(label: &str, der: &[u8]) -> SecretString {
    let base64 = STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into()
}

fn claims(key_id: Option<&str>) -> Claims<'_> {
    let now = Timestamp::from_second(NOW).unwrap();
    Claims { issuer: "me", subject: "me", audience: "https://idp.example.com/token", key_id, id: "jti-1", now }
}

fn part(token: &str, index: usize) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()
}

/// Whether the public half of the key agrees with the signature.
fn verifies(algorithm: &'static dyn VerificationAlgorithm, public: &[u8], token: &str) -> bool {
    let signed = token.rsplit_once('.').unwrap().0;
    UnparsedPublicKey::new(algorithm, public).verify(signed.as_bytes(), &part(token, 2)).is_ok()
}

fn rsa() -> (RsaKeyPair, Vec<u8>) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap().as_ref().to_vec();
    (pair, der)
}

fn p256() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn sec1(pair: &EcdsaKeyPair) -> Vec<u8> {
    let private = AsBigEndian::<aws_lc_rs::encoding::EcPrivateKeyBin<'_>>::as_be_bytes(&pair.private_key()).unwrap();
    [SEC1.0, private.as_ref(), SEC1.1, pair.public_key().as_ref()].concat()
}

#[test]
fn an_rsa_key_signs_in_each_of_its_encodings() {
    let (pair, der) = rsa();
    let encodings = [pem("PRIVATE KEY", &der), pem("RSA PRIVATE KEY", &der[PKCS8_BEFORE_RSA..])];
    let algorithms: [(_, &'static dyn VerificationAlgorithm); 2] =
        [(Algorithm::RS256, &RSA_PKCS1_2048_8192_SHA256), (Algorithm::PS256, &RSA_PSS_2048_8192_SHA256)];
    for key in &encodings {
        for (algorithm, verification) in algorithms {
            let token = sign(algorithm, key, &claims(None)).unwrap();
            assert!(verifies(verification, pair.public_key().as_ref(), token.expose_secret()), "{algorithm:?}");
            let other = rsa().0;
            assert!(!verifies(verification, other.public_key().as_ref(), token.expose_secret()));
        }
    }
}

#[test]
fn a_key_on_p256_signs_in_each_of_its_encodings() {
    let pair = p256();
    let pkcs8 = pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref());
    let sec1 = pem("EC PRIVATE KEY", &sec1(&pair));
    // As `openssl ecparam -genkey` writes it.
    let curve: SecretString = format!(
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{}",
        sec1.expose_secret()
    )
    .into();
    for key in [&pkcs8, &sec1, &curve] {
        let token = sign(Algorithm::ES256, key, &claims(None)).unwrap();
        assert!(verifies(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref(), token.expose_secret()));
        assert_eq!(part(token.expose_secret(), 2).len(), 64, "JWS wants the two numbers and no DER");
    }
}

#[test]
fn an_assertion_lives_for_a_minute_and_names_its_key_where_it_has_a_name() {
    let key = pem("PRIVATE KEY", p256().to_pkcs8v1().unwrap().as_ref());
    let token = sign(Algorithm::ES256, &key, &claims(Some("key-1"))).unwrap();
    let header: Json = serde_json::from_slice(&part(token.expose_secret(), 0)).unwrap();
    assert_eq!(header, serde_json::json!({ "alg": "ES256", "typ": "JWT", "kid": "key-1" }));
    let said: Json = serde_json::from_slice(&part(token.expose_secret(), 1)).unwrap();
    let expected = serde_json::json!({
        "iss": "me", "sub": "me", "aud": "https://idp.example.com/token", "jti": "jti-1",
        "iat": NOW - 10, "exp": NOW + 60
    });
    assert_eq!(said, expected);
    let token = sign(Algorithm::ES256, &key, &claims(None)).unwrap();
    assert_eq!(part(token.expose_secret(), 0), br#"{"alg":"ES256","typ":"JWT"}"#);
}

#[test]
fn what_cannot_sign_is_named_without_a_byte_of_it() {
    let (_, rsa) = rsa();
    let p256 = p256().to_pkcs8v1().unwrap().as_ref().to_vec();
    let table = [
        (Algorithm::RS256, SecretString::from("canary"), UnusableKey::NoKey),
        (Algorithm::ES256, pem("ENCRYPTED PRIVATE KEY", &p256), UnusableKey::NoKey),
        (Algorithm::ES256, pem("CERTIFICATE", &p256), UnusableKey::NoKey),
        (Algorithm::PS256, pem("PRIVATE KEY", &p256), UnusableKey::NotRsa(Algorithm::PS256)),
        (Algorithm::RS256, pem("PRIVATE KEY", b"canary"), UnusableKey::NotRsa(Algorithm::RS256)),
        (Algorithm::ES256, pem("PRIVATE KEY", &rsa), UnusableKey::NotP256),
        (Algorithm::ES256, pem("RSA PRIVATE KEY", &rsa[PKCS8_BEFORE_RSA..]), UnusableKey::NotP256),
    ];
    for (algorithm, key, expected) in table {
        let fault = sign(algorithm, &key, &claims(None)).unwrap_err();
        assert_eq!(fault, expected);
        assert!(!fault.to_string().contains("canary"));
    }
}
