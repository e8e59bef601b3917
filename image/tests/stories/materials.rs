//! The bill of materials, as `image/sbom` has written it.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

/// A crate: its name and version.
type Crate = (String, String);

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What cargo says that the operator is built of, itself included.
fn tree() -> BTreeSet<Crate> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["tree", "--locked", "--package", "apitoken-operator", "--edges", "normal,build", "--target", &target]);
    let output = cargo.args(["--prefix", "none", "--format", "{p}"]).current_dir(repository()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.lines().filter(|line| !line.is_empty()).map(|line| line.split(' '));
    let crates =
        words.by_ref().map(|mut words| (words.next().unwrap().to_owned(), words.next().unwrap()[1..].to_owned()));
    crates.collect()
}

#[test]
#[ignore = "needs apitoken-operator.cdx.json by image/sbom, for which cargo-cyclonedx must be installed; .ci/run does"]
fn the_bill_of_materials_names_every_crate_that_the_operator_is_built_of_and_none_that_is_not_pinned() {
    let text = fs::read_to_string(repository().join("apitoken-operator.cdx.json")).unwrap();
    let bill: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let component = |value: &Value| (text(&value["name"]), text(&value["version"]));
    let mut named: BTreeSet<Crate> = bill["components"].as_array().unwrap().iter().map(component).collect();
    named.insert(component(&bill["metadata"]["component"]));
    let unnamed: Vec<_> = tree().difference(&named).cloned().collect();
    assert!(unnamed.is_empty(), "built and not named: {unnamed:?}");
    let lock = fs::read_to_string(repository().join("Cargo.lock")).unwrap();
    for (name, version) in named {
        let pinned = lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n"));
        assert!(pinned, "{name} {version} is named and not in Cargo.lock");
    }
    for part in bill["components"].as_array().unwrap() {
        assert!(text(&part["purl"]).starts_with("pkg:cargo/"), "{part}");
        assert!(part["licenses"].is_array(), "{part}");
    }
}
