//! Substitution and its encodings: the first line is a template, the rest a value. Whatever they are, a server that
//! reads the request finds the text at its place, and nothing else anywhere.
#![no_main]

use apitoken_operator_fuzz::{
    places,
    provider::template::{Name, Template},
};
use libfuzzer_sys::{Corpus, fuzz_target};
use secrecy::ExposeSecret;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(input) = std::str::from_utf8(input) else { return Corpus::Reject };
    let Some((text, value)) = input.split_once('\n') else { return Corpus::Reject };
    if text.contains('\0') || value.is_empty() {
        return Corpus::Reject;
    }
    let Ok(template) = Template::parse(text) else { return Corpus::Keep };
    assert_eq!(template.source(), text);
    for name in template.names() {
        assert_eq!(Name::parse(&name.to_string()).as_ref(), Some(name));
    }
    let password = |name: &&Name| matches!(name, Name::Credential(key) if key == "password");
    let found = template.expand(|name| password(&name).then_some(value));
    if !template.names().all(|name| password(&name)) {
        assert!(found.is_none(), "a name without a value has a text");
        return Corpus::Keep;
    }
    let expected = places::expand(text, value);
    assert_eq!(found.expect("all names have a value").expose_secret(), expected);
    places::holds(text, value, &expected);
    Corpus::Keep
});
