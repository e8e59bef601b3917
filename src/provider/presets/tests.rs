use super::*;
use crate::{
    api::ClusterTokenProvider,
    provider::{fixtures, validate},
};

fn example(yaml: &str) -> Definition {
    let provider: ClusterTokenProvider = serde_saphyr::from_str(yaml).unwrap();
    validate::compile(&provider.spec.definition).unwrap()
}

#[test]
fn every_preset_is_a_good_definition_of_the_form_that_people_write() {
    for name in names() {
        let source = source(name).unwrap();
        assert!(source.starts_with(&format!("# {name}")), "{name}");
        if let Some(definition) = definition(name) {
            assert_eq!(fixtures::definition(source), *definition);
        } else {
            let own = fixtures::definition(&format!("url: https://own.example.com\n{source}"));
            assert_eq!(own, fixtures::definition(&format!("{{ preset: {name}, url: 'https://own.example.com' }}")));
        }
    }
    assert!(definition("palette").is_none() && source("").is_none());
}

#[test]
fn every_preset_without_a_vendor_in_the_tests_names_its_source_and_says_that_it_was_not_tried() {
    let file = |name| source(name).unwrap();
    for name in names().into_iter().skip(3) {
        let lines: Vec<_> = file(name).lines().collect();
        assert!(lines[1].starts_with("# Source: https://"), "{name}");
        assert!(lines[2..4].iter().any(|line| line.starts_with("# Not tried against the real service.")), "{name}");
    }
}

#[test]
fn a_preset_without_a_url_of_its_own_is_never_sent_anywhere() {
    let without: Vec<_> = names().into_iter().filter(|name| definition(name).is_none()).collect();
    assert!(without.len() >= 10);
    for name in without {
        let problem = validate::compile(&fixtures::spec(&format!("preset: {name}"))).unwrap_err().to_string();
        assert!(problem.starts_with("spec.url: is required: preset "), "{problem}");
        assert!(problem.ends_with(&unusable(name)), "{problem}");
        assert!(source(name).unwrap().contains("\n# url: https://"), "{name} does not say how its URL looks");
    }
}

#[test]
fn presets_ask_no_more_than_the_vendors_allow() {
    let limits = |name| definition(name).unwrap().limits.clone();
    assert_eq!((limits("Palette").requests_per_second, limits("Palette").burst), (10, 5));
    assert!(limits("Tenovos").timeout.as_secs() >= 15);
}

#[test]
fn the_variants_of_virtana_are_good_definitions() {
    let preset = definition("Virtana").unwrap();
    let get = example(include_str!("../../../examples/providers/virtana-get.yaml"));
    assert_eq!((get.login.request.method.as_str(), get.login.request.query.len()), ("GET", 3));
    assert!(get.login.request.body.is_none() && get.refresh.is_none());
    let refresh = example(include_str!("../../../examples/providers/virtana-refresh.yaml"));
    assert_eq!(refresh.login.request, preset.login.request);
    assert!(refresh.refresh_uses().refresh_token);
    assert!(refresh.login.response.refresh_token.unwrap().optional);
}
