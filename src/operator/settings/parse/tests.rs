use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn no_text_is_every_namespace_and_a_list_is_each_name_once() {
    assert_eq!(Namespaces::parse(""), Ok(Namespaces::All));
    assert_eq!(Namespaces::parse("web, shop,web"), Ok(Namespaces::Listed(names(&["web", "shop"]))));
}

#[test]
fn a_name_that_no_namespace_can_have_is_refused() {
    for bad in ["Web", "a_b", "-a", "a-", "a,,b", "a.b", &"a".repeat(64)] {
        assert!(matches!(Namespaces::parse(bad), Err(InvalidValue::Namespace(_))), "{bad}");
    }
}

#[test]
fn fifty_namespaces_are_the_most() {
    let list = |count: usize| (0..count).map(|n| format!("ns-{n}")).collect::<Vec<_>>().join(",");
    assert!(Namespaces::parse(&list(50)).is_ok());
    assert_eq!(Namespaces::parse(&list(51)), Err(InvalidValue::TooManyNamespaces(51)));
}

#[test]
fn presets_are_all_none_or_known_names() {
    let names = presets::names();
    let (first, second) = (names[0], names[1]);
    assert!(AllowedPresets::parse("all").unwrap().allows(first));
    assert!(!AllowedPresets::parse("none").unwrap().allows(first));
    let one = AllowedPresets::parse(first).unwrap();
    assert!(one.allows(first) && !one.allows(second));
    let error = AllowedPresets::parse("Acme").unwrap_err().to_string();
    assert!(error.contains("\"Acme\"") && error.contains(first) && error.contains("none"), "{error}");
}

#[test]
fn a_network_is_written_by_its_first_address_and_an_address_alone_is_a_network_of_one() {
    assert_eq!(network("127.0.0.0/8").unwrap().to_string(), "127.0.0.0/8");
    assert_eq!(network("::1").unwrap().to_string(), "::1/128");
    let error = network("10.1.2.3/8").unwrap_err().to_string();
    assert!(error.contains("10.0.0.0/8") && error.contains("10.1.2.3 for"), "{error}");
    for bad in ["10.0.0.0/33", "10.0.0/8", "localhost", "10.0.0.0/-1", ""] {
        assert_eq!(network(bad), Err(InvalidValue::Network(bad.to_owned())));
    }
}

#[test]
fn a_bypass_is_a_host_or_a_network_and_nothing_with_a_port() {
    for host in ["Vault.Example", ".vault.example", "*.vault.example", "vault.example."] {
        assert_eq!(no_proxy(host), Ok(NoProxy::Host("vault.example".to_owned())));
    }
    for (text, range) in [("10.0.0.0/8", "10.0.0.0/8"), ("::1", "::1/128")] {
        assert_eq!(no_proxy(text), Ok(NoProxy::Range(range.parse().unwrap())));
    }
    assert!(matches!(no_proxy("10.0.0.1/8"), Err(InvalidValue::HostBits { .. })));
    for bad in ["https://a", "a:443", "a.*.example", "a b", "10.0.0.256", ""] {
        assert_eq!(no_proxy(bad), Err(InvalidValue::NoProxy(bad.to_owned())));
    }
}

#[test]
fn a_name_of_an_object_is_one_that_the_api_server_takes() {
    for good in ["apitoken-operator", "team-a.apitoken"] {
        assert_eq!(object_name(good), Ok(good.to_owned()));
    }
    for bad in ["", "Lease", "a/b", "-a", "a..b"] {
        assert_eq!(object_name(bad), Err(InvalidValue::ObjectName(bad.to_owned())));
    }
}
