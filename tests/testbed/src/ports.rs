//! Loopback ports that no other test process takes at the same time. It opens no port for longer than a look.

use std::{
    collections::hash_map::RandomState,
    fs::{self, File},
    hash::{BuildHasher, Hasher},
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use anyhow::{Context, Result, bail};

use crate::go_build::cache_dir;

/// Below the range from which the kernel takes ports for outgoing connections (32768 and up by default): a
/// server that is stopped and started again must find its port free.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A port that is ours until this is dropped; others who ask here do not get it, in this process or another.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// The lock on it is the reservation; it ends with the process, however that ends.
    _reservation: File,
}

impl Port {
    /// Reserves a port on which nobody listens.
    ///
    /// # Errors
    /// The cache directory cannot be written, or every port tried is taken.
    pub fn reserve() -> Result<Self> {
        let dir = cache_dir()?.join("ports");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let width = u64::from(RANGE.end - RANGE.start);
        let start = RandomState::new().build_hasher().finish() % width;
        for candidate in RANGE.skip(usize::try_from(start)?).chain(RANGE).take(2_000) {
            let path = dir.join(candidate.to_string());
            let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
            if file.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, candidate)).is_ok() {
                return Ok(Self { number: candidate, _reservation: file });
            }
        }
        bail!("no free port on 127.0.0.1 between {} and {}", RANGE.start, RANGE.end)
    }

    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_given_to_nobody_else_and_can_be_listened_on() {
        let ports: Vec<Port> = (0..50).map(|_| Port::reserve().unwrap()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 50);
        assert!(TcpListener::bind(ports[0].address()).is_ok());
    }
}
