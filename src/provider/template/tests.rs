use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

fn expanded(text: &str) -> Option<String> {
    let template = Template::parse(text).unwrap();
    let value = |name: &Name| match name {
        Name::Credential(key) if key == "password" => Some("se${accessToken}cret"),
        Name::Credential(key) if key == "a.b-c_d" => Some("dotted"),
        Name::Credential(key) if key == "empty" => Some(""),
        Name::ApiTokenUid => Some("uid-1"),
        _ => None,
    };
    template.expand(value).map(|text| text.expose_secret().to_owned())
}

#[test]
fn names_are_replaced_and_nothing_else_is() {
    let table = [
        ("", ""),
        ("plain", "plain"),
        ("$", "$"),
        ("$$", "$$"),
        ("100 $ {x}", "100 $ {x}"),
        ("${apiToken.uid}", "uid-1"),
        ("a${apiToken.uid}b${apiToken.uid}", "auid-1buid-1"),
        ("$${apiToken.uid}", "${apiToken.uid}"),
        ("$$${apiToken.uid}", "$${apiToken.uid}"),
        ("$${", "${"),
        ("${credentials.a.b-c_d}", "dotted"),
        ("ü${apiToken.uid}ü", "üuid-1ü"),
    ];
    for (text, expected) in table {
        assert_eq!(expanded(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn a_substituted_value_is_not_looked_at_again() {
    assert_eq!(expanded("${credentials.password}").as_deref(), Some("se${accessToken}cret"));
}

#[test]
fn a_template_with_an_absent_name_has_no_text_at_all() {
    for text in ["${parameters.scope}", "a ${parameters.scope}", "${apiToken.uid}${credentials.empty}"] {
        assert_eq!(expanded(text), None, "{text}");
    }
}

#[test]
fn every_name_prints_as_it_is_written() {
    let names = [
        "credentials.a.b",
        "parameters.x-y",
        "apiToken.uid",
        "session.accessToken",
        "session.refreshToken",
        "session.outputs.id",
        "accessToken",
        "expiresAt",
        "outputs.id",
    ];
    for text in names {
        assert_eq!(Name::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn a_text_that_is_no_template_is_refused_with_what_was_meant() {
    let table = [
        ("${credential.x}", "did you mean `${credentials.x}`?"),
        ("${secret.x}", "did you mean `${credentials.x}`?"),
        ("${ credentials.x }", "did you mean `${credentials.x}`?"),
        ("${Credentials.x}", "did you mean `${credentials.x}`?"),
        ("${param.x}", "did you mean `${parameters.x}`?"),
        ("${access_token}", "did you mean `${accessToken}`?"),
        ("${token}", "did you mean `${accessToken}`?"),
        ("${refreshToken}", "did you mean `${session.refreshToken}`?"),
        ("${session.refresh_token}", "did you mean `${session.refreshToken}`?"),
        ("${session.id}", "did you mean `${session.outputs.id}`?"),
        ("${output.id}", "did you mean `${outputs.id}`?"),
        ("${expires_at}", "did you mean `${expiresAt}`?"),
        ("${apiToken.metadata.uid}", "did you mean `${apiToken.uid}`?"),
        ("${}", "known are credentials.KEY"),
        ("${credentials.}", "known are credentials.KEY"),
        ("${env.HOME}", "known are credentials.KEY"),
        ("a ${credentials.x", "`${` at byte 2 is never closed"),
        ("$${x} ${", "`${` at byte 6 is never closed"),
    ];
    for (text, expected) in table {
        let error = Template::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// A piece of a template's source, and what it stands for when the password is `value`.
fn piece() -> impl Strategy<Value = (String, Option<String>)> {
    prop_oneof![
        "[^$]{0,6}".prop_map(|text| (text.clone(), Some(text))),
        Just(("$${".to_owned(), Some("${".to_owned()))),
        Just(("$${x}".to_owned(), Some("${x}".to_owned()))),
        Just(("${credentials.password}".to_owned(), None)),
    ]
}

proptest! {
    #[test]
    fn a_template_is_its_pieces_and_the_values_between_them(pieces in prop::collection::vec(piece(), 0..8), value in ".{1,12}") {
        let source: String = pieces.iter().map(|(source, _)| source.as_str()).collect();
        let text: String = pieces.iter().map(|(_, text)| text.as_deref().unwrap_or(&value)).collect();
        let template = Template::parse(&source).unwrap();
        prop_assert_eq!(template.names().count(), pieces.iter().filter(|(_, text)| text.is_none()).count());
        let expanded = template.expand(|_| Some(&value)).unwrap();
        prop_assert_eq!(expanded.expose_secret(), &text);
    }

    #[test]
    fn no_text_makes_a_template_panic(text in any::<String>(), dollars in "[${}a.]{0,20}") {
        for text in [&text, &dollars] {
            match Template::parse(text) {
                Ok(template) => prop_assert_eq!(template.source(), text.as_str()),
                // In a message of the macro's own, the braces would be a place for a value.
                Err(error) => prop_assert!(text.contains("${") && !error.to_string().is_empty(), "no reason"),
            }
        }
    }
}
