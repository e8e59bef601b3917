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
        assert_eq!(fixtures::definition(source), *definition(name).unwrap());
        assert!(source.starts_with(&format!("# {name}")));
    }
    assert!(definition("palette").is_none() && source("").is_none());
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
