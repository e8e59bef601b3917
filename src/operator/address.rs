//! Which addresses a request may go to. Pure: it judges an address, it resolves and connects nothing.
//!
//! Every address is judged after resolution, and the connection goes to the judged address: a name that resolves to
//! something harmless first and to the metadata service a moment later gains nothing. Forms of IPv6 that carry an
//! IPv4 address are judged as that IPv4 address, because that is where the packet ends up.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Who wrote the URL that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tenancy {
    /// An administrator, by a `ClusterTokenProvider`, or we ourselves, by a preset.
    Cluster,
    /// A tenant, by a `TokenProvider`.
    Tenant,
}

/// What the administrator allowed beyond the default, and what nobody can allow.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    /// `--allow-provider-cidr`: reachable although refused by default.
    pub allow: Vec<IpNet>,
    /// `--allow-tenant-private`: tenants may reach private ranges too.
    pub allow_tenant_private: bool,
    /// Where the API server listens, as address and port. Never reachable, whatever is allowed.
    pub api_server: Vec<SocketAddr>,
}

/// What becomes of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    Allowed,
    Refused(Range),
}

/// Why an address is refused. Its text completes "this is ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Range {
    Unspecified,
    Loopback,
    LinkLocal,
    Multicast,
    Metadata,
    Private,
    ApiServer,
}

/// The services from which machines of a cloud get their identity: Alibaba, Azure, Oracle. AWS, Google and the rest of
/// Azure answer at link-local addresses.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// AWS, over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// RFC 1918, RFC 6598 (shared address space), RFC 1112 section 4 (class E, used inside some clouds).
const PRIVATE_V4: [Ipv4Net; 5] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(240, 0, 0, 0), 4),
];
/// RFC 4193 (unique local), RFC 3879 (site-local, deprecated but routed where it is used).
const PRIVATE_V6: [Ipv6Net; 2] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
];
/// RFC 8215: NAT64 inside one network.
const LOCAL_NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48);

impl AddressPolicy {
    /// Judges `address`. The port counts for the API server alone.
    pub fn judge(&self, address: SocketAddr, tenancy: Tenancy) -> Verdict {
        let given = address.ip();
        let ip = effective(given);
        if self.api_server.iter().any(|server| effective(server.ip()) == ip && server.port() == address.port()) {
            return Verdict::Refused(Range::ApiServer);
        }
        if self.allow.iter().any(|net| net.contains(&ip) || net.contains(&given)) {
            return Verdict::Allowed;
        }
        match special_range(ip).or_else(|| private_range(given, ip)) {
            None => Verdict::Allowed,
            Some(Range::Private) if tenancy == Tenancy::Cluster || self.allow_tenant_private => Verdict::Allowed,
            Some(range) => Verdict::Refused(range),
        }
    }

    /// `port`, if the API server listens on that port somewhere.
    pub fn guarded_port(&self, port: u16) -> Option<u16> {
        self.api_server.iter().any(|server| server.port() == port).then_some(port)
    }
}

/// The address at which a packet to `ip` arrives.
fn effective(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => embedded_v4(v6).map_or(ip, IpAddr::V4),
    }
}

/// The IPv4 address inside `v6`: mapped (RFC 4291 2.5.5.2), compatible (2.5.5.1), NAT64 (RFC 6052, RFC 8215) or 6to4
/// (RFC 3056).
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let joined = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => joined(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if !v6.is_loopback() && !v6.is_unspecified() => joined(high, low),
        _ => None,
    }
}

/// Ranges that are refused for everybody.
fn special_range(ip: IpAddr) -> Option<Range> {
    let metadata = match ip {
        IpAddr::V4(v4) => METADATA_V4.contains(&v4),
        IpAddr::V6(v6) => v6 == METADATA_V6,
    };
    let (unspecified, link_local, broadcast) = match ip {
        IpAddr::V4(v4) => (v4.octets()[0] == 0, v4.is_link_local(), v4.is_broadcast()),
        IpAddr::V6(v6) => (v6.is_unspecified(), v6.is_unicast_link_local(), false),
    };
    [
        (metadata, Range::Metadata),
        (unspecified, Range::Unspecified),
        (ip.is_loopback(), Range::Loopback),
        (link_local, Range::LinkLocal),
        (ip.is_multicast() || broadcast, Range::Multicast),
    ]
    .into_iter()
    .find_map(|(inside, range)| inside.then_some(range))
}

/// Ranges that are refused for tenants. `given` counts beside `ip`: what a local NAT64 leads to is local.
fn private_range(given: IpAddr, ip: IpAddr) -> Option<Range> {
    let private = match (given, ip) {
        (IpAddr::V6(v6), _) if LOCAL_NAT64.contains(&v6) => true,
        (_, IpAddr::V4(v4)) => PRIVATE_V4.iter().any(|net| net.contains(&v4)),
        (_, IpAddr::V6(v6)) => PRIVATE_V6.iter().any(|net| net.contains(&v6)),
    };
    private.then_some(Range::Private)
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Metadata => "the address of a cloud's metadata service",
            Self::Private => "a private address",
            Self::ApiServer => "the Kubernetes API server",
        })
    }
}

#[cfg(test)]
mod tests;
