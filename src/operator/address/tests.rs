//! The table of addresses.

use proptest::prelude::*;

use super::*;

const OPEN: Option<Range> = None;

fn judged(policy: &AddressPolicy, address: &str, tenancy: Tenancy) -> Option<Range> {
    match policy.judge(SocketAddr::new(address.parse().unwrap(), 443), tenancy) {
        Verdict::Allowed => None,
        Verdict::Refused(range) => Some(range),
    }
}

#[test]
fn every_range_is_judged_as_the_table_says() {
    use Range::{LinkLocal, Loopback, Metadata, Multicast, Private, Unspecified};
    // Address, verdict for an administrator's provider, verdict for a tenant's.
    let table = [
        ("1.1.1.1", OPEN, OPEN),
        ("2606:4700:4700::1111", OPEN, OPEN),
        ("0.0.0.0", Some(Unspecified), Some(Unspecified)),
        ("0.1.2.3", Some(Unspecified), Some(Unspecified)),
        ("::", Some(Unspecified), Some(Unspecified)),
        ("127.0.0.1", Some(Loopback), Some(Loopback)),
        ("127.255.255.254", Some(Loopback), Some(Loopback)),
        ("::1", Some(Loopback), Some(Loopback)),
        ("169.254.169.254", Some(LinkLocal), Some(LinkLocal)),
        ("169.254.0.0", Some(LinkLocal), Some(LinkLocal)),
        ("169.253.255.255", OPEN, OPEN),
        ("fe80::1", Some(LinkLocal), Some(LinkLocal)),
        ("febf:ffff::1", Some(LinkLocal), Some(LinkLocal)),
        ("224.0.0.1", Some(Multicast), Some(Multicast)),
        ("239.255.255.255", Some(Multicast), Some(Multicast)),
        ("255.255.255.255", Some(Multicast), Some(Multicast)),
        ("ff02::1", Some(Multicast), Some(Multicast)),
        ("100.100.100.200", Some(Metadata), Some(Metadata)),
        ("168.63.129.16", Some(Metadata), Some(Metadata)),
        ("192.0.0.192", Some(Metadata), Some(Metadata)),
        ("fd00:ec2::254", Some(Metadata), Some(Metadata)),
        ("10.0.0.1", OPEN, Some(Private)),
        ("172.15.255.255", OPEN, OPEN),
        ("172.16.0.0", OPEN, Some(Private)),
        ("172.31.255.255", OPEN, Some(Private)),
        ("172.32.0.0", OPEN, OPEN),
        ("192.168.1.1", OPEN, Some(Private)),
        ("100.64.0.1", OPEN, Some(Private)),
        ("100.127.255.255", OPEN, Some(Private)),
        ("100.128.0.0", OPEN, OPEN),
        ("240.0.0.1", OPEN, Some(Private)),
        ("fc00::1", OPEN, Some(Private)),
        ("fdff::1", OPEN, Some(Private)),
        ("fec0::1", OPEN, Some(Private)),
        ("fe00::1", OPEN, OPEN),
        // Forms of IPv6 that end at an IPv4 address.
        ("::ffff:127.0.0.1", Some(Loopback), Some(Loopback)),
        ("::ffff:169.254.169.254", Some(LinkLocal), Some(LinkLocal)),
        ("::ffff:10.0.0.1", OPEN, Some(Private)),
        ("::ffff:1.1.1.1", OPEN, OPEN),
        ("::127.0.0.1", Some(Loopback), Some(Loopback)),
        ("64:ff9b::169.254.169.254", Some(LinkLocal), Some(LinkLocal)),
        ("64:ff9b::a00:1", OPEN, Some(Private)),
        ("64:ff9b::101:101", OPEN, OPEN),
        ("64:ff9b:1::7f00:1", Some(Loopback), Some(Loopback)),
        ("64:ff9b:1::101:101", OPEN, Some(Private)),
        ("2002:7f00:1::1", Some(Loopback), Some(Loopback)),
        ("2002:a9fe:a9fe::1", Some(LinkLocal), Some(LinkLocal)),
    ];
    let policy = AddressPolicy::default();
    for (address, cluster, tenant) in table {
        assert_eq!(judged(&policy, address, Tenancy::Cluster), cluster, "{address} for an administrator");
        assert_eq!(judged(&policy, address, Tenancy::Tenant), tenant, "{address} for a tenant");
    }
}

#[test]
fn an_allowed_range_opens_itself_and_nothing_beside_it() {
    let policy = AddressPolicy { allow: vec!["127.0.0.0/8".parse().unwrap()], ..AddressPolicy::default() };
    assert_eq!(judged(&policy, "127.0.0.1", Tenancy::Tenant), OPEN);
    assert_eq!(judged(&policy, "::ffff:127.0.0.1", Tenancy::Tenant), OPEN);
    assert_eq!(judged(&policy, "::1", Tenancy::Cluster), Some(Range::Loopback));
    assert_eq!(judged(&policy, "169.254.169.254", Tenancy::Cluster), Some(Range::LinkLocal));
}

#[test]
fn tenants_may_be_let_into_private_ranges_but_not_to_the_metadata_service() {
    let policy = AddressPolicy { allow_tenant_private: true, ..AddressPolicy::default() };
    assert_eq!(judged(&policy, "10.1.2.3", Tenancy::Tenant), OPEN);
    assert_eq!(judged(&policy, "fd00::1", Tenancy::Tenant), OPEN);
    assert_eq!(judged(&policy, "100.100.100.200", Tenancy::Tenant), Some(Range::Metadata));
    assert_eq!(judged(&policy, "fd00:ec2::254", Tenancy::Tenant), Some(Range::Metadata));
}

#[test]
fn the_api_server_stays_out_of_reach_even_when_everything_is_allowed() {
    let policy = AddressPolicy {
        allow: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
        allow_tenant_private: true,
        api_server: vec!["10.96.0.1:443".parse().unwrap()],
    };
    assert_eq!(judged(&policy, "10.96.0.1", Tenancy::Cluster), Some(Range::ApiServer));
    assert_eq!(judged(&policy, "::ffff:10.96.0.1", Tenancy::Cluster), Some(Range::ApiServer));
    assert_eq!(judged(&policy, "10.96.0.2", Tenancy::Cluster), OPEN);
    assert_eq!(policy.judge("10.96.0.1:8443".parse().unwrap(), Tenancy::Cluster), Verdict::Allowed);
    assert_eq!((policy.guarded_port(443), policy.guarded_port(8443)), (Some(443), None));
}

proptest! {
    #[test]
    fn a_mapped_address_is_judged_as_the_address_inside(bits: u32, tenant: bool) {
        let tenancy = if tenant { Tenancy::Tenant } else { Tenancy::Cluster };
        let (policy, v4) = (AddressPolicy::default(), Ipv4Addr::from(bits));
        let nat64 = Ipv6Addr::from((0x64_ff9b_u128 << 96) | u128::from(bits));
        let plain = policy.judge((v4, 443).into(), tenancy);
        prop_assert_eq!(plain, policy.judge((v4.to_ipv6_mapped(), 443).into(), tenancy));
        prop_assert_eq!(plain, policy.judge((nat64, 443).into(), tenancy));
    }
}
