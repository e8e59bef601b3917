mod properties;

use super::*;
use crate::provider::{
    definition::Limits as Resolved,
    fixtures::{MINIMAL, definition, spec},
};

fn refused(yaml: &str) -> String {
    compile(&spec(yaml)).unwrap_err().to_string()
}

#[test]
fn exactly_one_form_is_wanted() {
    let http = MINIMAL;
    assert_eq!(refused("url: https://api.example.com"), "spec: needs exactly one of preset, oauth2, http");
    assert_eq!(refused("{ preset: Palette, oauth2: {} }"), "spec: needs exactly one of preset, oauth2, http");
    assert_eq!(refused("oauth2: {}"), "spec.oauth2: needs exactly one of tokenURL and issuer");
    assert!(refused(&format!("preset: Palette\n{http}")).starts_with("spec.http: cannot change a preset"));
}

#[test]
fn an_unknown_preset_is_answered_with_the_known_ones() {
    assert_eq!(refused("preset: palette"), "spec.preset: \"palette\" is not known: did you mean Palette?");
}

#[test]
fn a_preset_alone_is_the_preset() {
    for (name, own) in presets::names().into_iter().filter_map(|name| Some((name, presets::definition(name)?))) {
        assert_eq!(definition(&format!("preset: {name}")), *own);
    }
}

#[test]
fn what_stands_beside_a_preset_replaces_what_it_says() {
    let changed = definition(
        "{ preset: Palette, url: https://palette.example.com/x, limits: { burst: 7, timeout: 1m }, \
         parameters: [{ name: project }], output: { data: { jwt: \"${accessToken}\" } } }",
    );
    assert_eq!(changed.base.to_string(), "https://palette.example.com/x");
    let timeout = std::time::Duration::from_secs(60);
    assert_eq!(changed.limits, Resolved { requests_per_second: 10, burst: 7, concurrency: 32, timeout });
    assert_eq!(changed.output.keys().collect::<Vec<_>>(), ["jwt"]);
    assert_eq!(changed.parameters[0].name, "project");
    assert_eq!(changed.login, presets::definition("Palette").unwrap().login);
}

#[test]
fn plain_http_is_the_providers_own_decision() {
    assert!(refused("{ preset: Palette, url: http://127.0.0.1:1 }").contains("tls.insecureHTTP"));
    assert!(definition("{ preset: Palette, url: http://127.0.0.1:1, tls: { insecureHTTP: true } }").insecure_http);
}

#[test]
fn an_output_of_an_apitoken_may_use_what_the_provider_yields() {
    let tenovos = presets::definition("Tenovos").unwrap();
    let data = |text: &str| BTreeMap::from([("header".to_owned(), text.to_owned())]);
    let good = compile_output(&data("${outputs.authorization} ${accessToken} ${expiresAt}"), &tenovos).unwrap();
    assert_eq!(good["header"].names().count(), 3);
    let table = [
        ("${outputs.other}", "the outputs of the login's response are: authorization"),
        ("${credentials.apiKey}", "credentials never enter an output"),
        ("${session.refreshToken}", "the refresh token never enters an output"),
        ("${session.outputs.authorization}", "did you mean `${outputs.authorization}`?"),
        ("${session.accessToken}", "did you mean `${accessToken}`?"),
        ("${parameters.x}", "cannot stand in output.data"),
        ("${apiToken.uid}", "cannot stand in output.data"),
        ("${token}", "did you mean `${accessToken}`?"),
    ];
    for (text, expected) in table {
        let error = compile_output(&data(text), &tenovos).unwrap_err().to_string();
        assert!(error.starts_with("spec.output.data.header: ") && error.contains(expected), "{error}");
    }
}
