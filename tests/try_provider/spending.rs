//! Credentials that are good for one login are spent by a trial, which says so before it sends anything.

use serde_json::json;
use testbed::vendors::scripted::Reply;

use crate::bench::Bench;

const CONSENTED: &str = r"apiVersion: apitoken.dev/v1alpha1
kind: ClusterTokenProvider
metadata: { name: idp }
spec:
  tls: { insecureHTTP: true }
  oauth2: { tokenURL: ORIGIN/token, grant: RefreshToken, clientId: robot, clientAuth: { method: None } }
";

fn bench(replies: impl IntoIterator<Item = Reply>) -> Bench {
    let bench = Bench::new(replies);
    bench.write("provider.yaml", &CONSENTED.replace("ORIGIN", &bench.server.origin()));
    bench.write("login/refreshToken", "canary-seed");
    bench
}

#[tokio::test]
async fn a_refresh_token_to_which_somebody_consented_is_spent_and_that_is_said_first() {
    let reply = json!({ "access_token": "canary-access-token", "refresh_token": "canary-next", "expires_in": 60 });
    let bench = bench([Reply::json(200, &reply)]);
    let said = bench.run(&[]).await;
    said.expect(0, &["This spends it: refreshToken of the credentials is good for one login", "Login\n  POST"]);
    assert!(said.out.find("This spends it").unwrap() < said.out.find("\nLogin").unwrap());
    assert!(!said.out.contains("canary"), "{}", said.out);
    assert_eq!(bench.server.requests().len(), 1);
}

#[tokio::test]
async fn a_dry_run_spends_nothing_and_says_what_a_trial_would() {
    let bench = bench([]);
    let said = bench.run(&["--dry-run"]).await;
    said.expect(0, &["Without --dry-run this spends it: refreshToken", "Nothing was sent (--dry-run)."]);
    assert!(bench.server.requests().is_empty());
}
