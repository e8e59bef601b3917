//! The roots that Mozilla trusts, from the crate that Cargo.lock pins: not those of the machine that builds.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};

/// The licence of the list asks that it is named with the list.
const HEAD: &str = "# Certificates that Mozilla trusts for servers, by the crate webpki-root-certs.\n\
                    # Licence: CDLA-Permissive-2.0, https://cdla.dev/permissive-2-0/\n";

/// Characters of a line (RFC 7468).
const LINE: usize = 64;

/// All of them as one PEM file.
pub fn pem() -> String {
    let mut text = HEAD.to_owned();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = STANDARD.encode(certificate);
        for line in encoded.as_bytes().chunks(LINE) {
            let _ = writeln!(text, "{}", String::from_utf8_lossy(line));
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
