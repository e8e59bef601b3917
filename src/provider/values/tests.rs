use super::*;
use crate::provider::fixtures::{MINIMAL, credentials, definition};

fn key() -> FingerprintKey {
    FingerprintKey::new(&[7; 32])
}

fn read(pairs: &[(&str, &[u8])]) -> Result<Credentials, Incomplete> {
    Credentials::read(&definition(MINIMAL), pairs.iter().copied())
}

#[test]
fn only_declared_keys_are_read() {
    let credentials = read(&[("password", b"p"), ("org", b""), ("other", b"\xff")]).unwrap();
    assert_eq!(credentials.get("password").map(ExposeSecret::expose_secret), Some("p"));
    assert!(credentials.get("org").is_none() && credentials.get("other").is_none());
}

#[test]
fn what_is_missing_is_named() {
    let error = read(&[("password", b""), ("org", b"\xff")]).unwrap_err();
    assert_eq!(
        (error.missing.as_slice(), error.not_utf8.as_slice()),
        (&["password".to_owned()][..], &["org".to_owned()][..])
    );
    let text = error.to_string();
    assert!(text.contains("lacks password") && text.contains("not UTF-8 text under org"), "{text}");
}

#[test]
fn a_value_that_ends_in_a_newline_or_a_blank_is_named() {
    let values = [("password", "secret\n"), ("org", "acme")];
    assert_eq!(credentials(&definition(MINIMAL), &values).trailing_whitespace_keys(), ["password"]);
    assert_eq!(
        credentials(&definition(MINIMAL), &[("password", "a b")]).trailing_whitespace_keys(),
        Vec::<&str>::new()
    );
}

#[test]
fn the_fingerprint_follows_the_declared_values_alone() {
    let of = |pairs: &[(&str, &[u8])]| read(pairs).unwrap().fingerprint(&key());
    let one = of(&[("password", b"p"), ("org", b"o")]);
    assert_eq!(one, of(&[("org", b"o"), ("password", b"p"), ("other", b"x")]));
    assert_ne!(one, of(&[("password", b"p")]));
    assert_ne!(one, of(&[("password", b"po")]));
    assert_ne!(one, of(&[("password", b"o"), ("org", b"p")]));
    assert_eq!(of(&[("password", b"p")]), of(&[("password", b"p"), ("org", b"")]));
    let other_key = FingerprintKey::new(&[8; 32]);
    assert_ne!(one, read(&[("password", b"p"), ("org", b"o")]).unwrap().fingerprint(&other_key));
}

#[test]
fn a_fingerprint_of_some_keys_ignores_the_others() {
    let some = BTreeSet::from(["org".to_owned()]);
    let of = |password: &[u8], org: &[u8]| {
        read(&[("password", password), ("org", org)]).unwrap().fingerprint_of(&key(), &some)
    };
    assert_eq!(of(b"old", b"o"), of(b"new", b"o"));
    assert_ne!(of(b"old", b"o"), of(b"old", b"other"));
}

#[test]
fn nothing_secret_can_be_printed() {
    let printed = format!("{:?} {:?}", credentials(&definition(MINIMAL), &[("password", "canary")]), key());
    assert_eq!(printed, "{\"password\"} FingerprintKey");
}
