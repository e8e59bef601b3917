//! Names of images, as people write them and as engines keep them.

use std::{fmt, str::FromStr};

/// `[HOST/]NAME:TAG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    name: String,
    tag: String,
}

/// Why a text names no image.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} names no image: write NAME:TAG or HOST/NAME:TAG, in small letters, without a digest")]
pub struct InvalidReference(String);

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let invalid = || InvalidReference(text.to_owned());
        let (name, tag) = text.rsplit_once(':').ok_or_else(invalid)?;
        let name_is_good = name.split('/').all(|part| !part.is_empty())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"./:-_".contains(&byte));
        let tag_is_good = (1..=128).contains(&tag.len())
            && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            && !tag.starts_with(['.', '-']);
        if name_is_good && tag_is_good {
            return Ok(Self { name: name.to_owned(), tag: tag.to_owned() });
        }
        Err(invalid())
    }
}

impl Reference {
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// What a kubelet or an engine makes of it: a name without a host is one of Docker Hub.
    pub fn full(&self) -> String {
        let Self { name, tag } = self;
        match name.split_once('/') {
            Some((host, _)) if host == "localhost" || host.contains(['.', ':']) => format!("{name}:{tag}"),
            Some(_) => format!("docker.io/{name}:{tag}"),
            None => format!("docker.io/library/{name}:{tag}"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends at what it cannot go on with")]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_gets_the_host_that_a_kubelet_looks_for_it_under() {
        for (written, full) in [
            ("pause:1", "docker.io/library/pause:1"),
            ("team/pause:1", "docker.io/team/pause:1"),
            ("localhost/pause:1", "localhost/pause:1"),
            ("registry.example:5000/pause:1.0-rc1", "registry.example:5000/pause:1.0-rc1"),
        ] {
            assert_eq!(written.parse::<Reference>().unwrap().full(), full);
        }
    }

    #[test]
    fn what_is_no_name_with_a_tag_is_refused() {
        for wrong in
            ["pause", "pause:", ":1", "Pause:1", "a//b:1", "localhost:5000/pause", "pause:-1", "pause@sha256:1"]
        {
            assert!(wrong.parse::<Reference>().is_err(), "{wrong}");
        }
    }
}
