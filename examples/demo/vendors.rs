//! The three vendors of the demo: their accounts, and how short their tokens live here.

use std::time::Duration;

use anyhow::{Context, Result};
use testbed::{
    ca::TestCa,
    vendors::{
        Palette, Tenovos, Virtana,
        tenovos::{DOCUMENTED_LOGIN_LATENCY, DOCUMENTED_REFRESH_LATENCY},
    },
};

use crate::sample::Sample;

/// The vendors, and the authority that signed their certificates.
pub struct Vendors {
    pub ca: TestCa,
    pub palette: Palette,
    pub tenovos: Tenovos,
    pub virtana: Virtana,
}

impl Vendors {
    /// # Errors
    /// A port of loopback cannot be had, or the sample lacks an account.
    pub fn start(sample: &Sample) -> Result<Self> {
        let ca = TestCa::new()?;
        let vendors =
            Self { palette: Palette::start(&ca)?, tenovos: Tenovos::start(&ca)?, virtana: Virtana::start(&ca)?, ca };
        vendors.admit(sample)?;
        vendors.shorten();
        Ok(vendors)
    }

    fn admit(&self, sample: &Sample) -> Result<()> {
        let value = |secret: &str, key: &str| {
            let values = sample.credentials(secret)?;
            values.get(key).cloned().with_context(|| format!("Secret {secret:?} of the sample has no key {key:?}"))
        };
        self.palette.add_account(&value("palette-login", "emailId")?, &value("palette-login", "password")?);
        let tenovos = |key| value("tenovos-login", key);
        self.tenovos.add_account(&tenovos("username")?, &tenovos("password")?, &tenovos("apiKey")?);
        self.virtana.add_account(&value("virtana-login", "clientId")?, &value("virtana-login", "clientSecret")?);
        Ok(())
    }

    /// Quarters of an hour, hours and half a day are too long to watch.
    fn shorten(&self) {
        self.palette.script(|script| {
            script.lifetime = Duration::from_secs(14);
            script.login_latency = Duration::from_millis(400);
            script.refresh_latency = Duration::from_millis(60);
        });
        self.tenovos.script(|script| {
            script.lifetime = Duration::from_secs(18);
            script.login_latency = DOCUMENTED_LOGIN_LATENCY;
            script.refresh_latency = DOCUMENTED_REFRESH_LATENCY;
        });
        self.virtana.script(|script| {
            script.lifetime = Duration::from_secs(15);
            script.login_latency = Duration::from_millis(250);
        });
    }
}
