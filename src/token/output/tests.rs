use super::*;
use crate::{
    api::names::ROLE_OUTPUT,
    token::fixtures::{Scene, UID, tenovos},
};

fn plan(data: &[(&str, &str)]) -> OutputPlan {
    let data = data.iter().map(|(key, text)| ((*key).to_owned(), Template::parse(text).unwrap()));
    OutputPlan::new("assets", &Scene::new(tenovos()).0.token.spec, data.collect())
}

fn material() -> Material {
    Material {
        replaced: None,
        access_token: "at".into(),
        refresh_token: Some("rt".into()),
        outputs: [("authorization".to_owned(), "az".into())].into(),
        suggested_output: BTreeMap::new(),
        unknown: serde_json::Map::default(),
    }
}

fn issued() -> Issued {
    Scene::issued(tenovos()).0.facts().unwrap().issued.clone().unwrap()
}

#[test]
fn whose_a_secret_is_follows_from_its_controller_its_owner_and_its_label() {
    use Ownership::{Another, Leaving, Offered, Ours};
    let another = |text: &str| Another(text.to_owned());
    let ours = format!("assets/{UID}");
    let role = Some(ROLE_OUTPUT);
    // Controlling kind, name and uid; owner annotation; role label; whose it is.
    for (controller, owner, role, expected) in [
        (Some(("ApiToken", "assets", UID)), None, None, Ours),
        (Some(("ApiToken", "assets", UID)), Some("else/uid"), None, Ours),
        (Some(("ApiToken", "assets", "old")), Some(&*ours), role, Leaving),
        (Some(("ApiToken", "else", "uid")), None, role, another("ApiToken \"else\" controls it")),
        (Some(("Deployment", "assets", UID)), Some(&*ours), role, another("Deployment \"assets\" controls it")),
        (None, Some(&*ours), None, Ours),
        (None, Some("assets/old"), role, Offered),
        (None, Some("assets/old"), None, another("it was not made by this ApiToken")),
        (None, Some("else/uid"), role, another("it belongs to ApiToken \"else\"")),
        (None, Some("assets"), role, Offered),
        (None, None, role, Offered),
        (None, None, Some("credentials"), another("it was not made by this ApiToken")),
        (None, None, None, another("it was not made by this ApiToken")),
    ] {
        let marks = Marks { controller, owner, role };
        assert_eq!(Ownership::judge(marks, "assets", UID), expected, "{marks:?}");
    }
}

#[test]
fn pods_see_what_the_plan_says_and_no_key_without_its_value() {
    let plan = plan(&[
        ("token", "${accessToken}"),
        ("header", "Authorization: Bearer ${accessToken}"),
        ("authorization", "${outputs.authorization}"),
        ("expires", "${expiresAt}"),
        ("absent", "x ${outputs.absent}"),
        ("refresh", "${session.refreshToken}"),
        ("password", "${credentials.password}"),
    ]);
    let projected = plan.project(&material(), &issued());
    let seen: Vec<_> = projected.iter().map(|(key, value)| (key.as_str(), value.expose_secret())).collect();
    assert_eq!(
        seen,
        [
            ("authorization", "az"),
            ("expires", "2026-11-20T12:50:00Z"),
            ("header", "Authorization: Bearer at"),
            ("token", "at"),
        ]
    );
    assert!(!format!("{projected:?}").contains("Bearer"));
}

#[test]
fn a_revision_is_read_as_it_was_written() {
    let plan = plan(&[("token", "${accessToken}")]);
    let revision = plan.revision(&issued(), ["token"].iter());
    assert_eq!(revision.grant, "grant-1");
    assert_eq!(Revision::parse(&revision.to_string()), Some(revision));
    for text in ["", "a", "a.b", "a.b.c.d"] {
        assert_eq!(Revision::parse(text), None, "{text:?}");
    }
}

#[test]
fn everything_that_changes_the_secret_changes_the_plans_fingerprint() {
    let base = plan(&[("token", "${accessToken}")]);
    let one = || ("a".to_owned(), "b".to_owned());
    let others = [
        plan(&[("token", "${accessToken} ")]),
        plan(&[("other", "${accessToken}")]),
        OutputPlan { labels: [one()].into(), ..base.clone() },
        OutputPlan { annotations: [one()].into(), ..base.clone() },
        OutputPlan { on_delete: OnDelete::Retain, ..base.clone() },
    ];
    let mut fingerprints: Vec<_> = others.iter().chain([&base]).map(OutputPlan::fingerprint).collect();
    fingerprints.sort();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 6);
    assert_eq!(OutputPlan { secret_name: "else".to_owned(), ..base.clone() }.fingerprint(), base.fingerprint());
}

#[test]
fn a_set_of_keys_has_no_order_and_no_two_sets_are_the_same() {
    assert_eq!(key_set(["a", "b"].iter()), key_set(["b", "a"].iter()));
    let sets: &[&[&str]] = &[&[], &["a"], &["b"], &["a", "b"], &["ab"]];
    let hashes: std::collections::BTreeSet<_> = sets.iter().map(|keys| key_set(keys.iter())).collect();
    assert_eq!(hashes.len(), sets.len());
}

#[test]
fn the_output_has_the_apitokens_name_unless_the_spec_gives_one() {
    let mut spec = (*Scene::new(tenovos()).0.token.spec).clone();
    assert_eq!(secret_name("assets", &spec), "assets");
    spec.output = Some(Output { secret_name: Some("other".to_owned()), ..Output::default() });
    assert_eq!(secret_name("assets", &spec), "other");
}
