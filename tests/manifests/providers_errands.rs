//! Mistakes in what is asked about a token: probes and revocations.

use crate::applying::assert_refused;

#[tokio::test]
async fn mistakes_in_a_probe_or_a_revocation_are_refused() {
    const SOUND: &str = r#"
apiVersion: apitoken.dev/v1alpha1
kind: TokenProvider
metadata: { name: example }
spec:
  url: https://api.example.com/v1
  http:
    login:
      method: POST
      path: /auth/token
      response: { accessToken: { json: /accessToken }, expiry: [ { after: 1h } ] }
    probe:
      method: GET
      path: /me
      headers: { Authorization: "Bearer ${session.accessToken}" }
      interval: 10m
      refused: [ { status: [401] } ]
    revoke:
      method: DELETE
      path: /tokens/${session.accessToken}
"#;
    const MISTAKES: &str = r#"
spec: { http: { probe: { path: null } } }
    spec.http.probe.path: Required value
spec: { http: { probe: { method: HEAD } } }
    spec.http.probe.method: Unsupported value: "HEAD": supported values: "GET", "POST", "PUT", "PATCH", "DELETE"
spec: { http: { probe: { body: { form: { a: b } } } } }
    spec.http.probe.body: Forbidden: a GET request has no body: use query, or another method
spec: { http: { probe: { response: { accessToken: { json: /a } } } } }
    .spec.http.probe.response: field not declared in schema
spec: { http: { probe: { interval: 59s } } }
    spec.http.probe.interval: Invalid value: "string": must be between 1m and 24h
spec: { http: { probe: { interval: 25h } } }
    spec.http.probe.interval: Invalid value: "string": must be between 1m and 24h
spec: { http: { probe: { interval: often } } }
    spec.http.probe.interval: Invalid value: "string": must be hours, minutes and seconds in this order, such as 1h30m, 720h or 45s
spec: { http: { probe: { refused: [ {} ] } } }
    spec.http.probe.refused[0]: Invalid value: "object": a rule needs status, or one of json, header and text: otherwise it would match every reply
spec: { http: { probe: { refused: [ { json: /a, header: X-A } ] } } }
    spec.http.probe.refused[0]: Invalid value: "object": give at most one of json, header and text in one rule
spec: { http: { probe: { refused: [ { status: [200], equals: [error] } ] } } }
    spec.http.probe.refused[0].equals: Invalid value: "object": equals compares what stands at json, header or text: give one of them
spec: { http: { probe: { refused: [ { status: [401], class: Rejected } ] } } }
    .spec.http.probe.refused[0].class: field not declared in schema
spec: { http: { revoke: { method: null } } }
    spec.http.revoke.method: Required value
spec: { http: { revoke: { path: tokens } } }
    spec.http.revoke.path: Invalid value: "string": must begin with / and have no query, fragment or blank: what follows a ? goes into query
spec: { http: { revoke: { interval: 5m } } }
    .spec.http.revoke.interval: field not declared in schema
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn mistakes_in_what_a_server_of_oauth2_is_asked_about_a_token_are_refused() {
    const SOUND: &str = r"
apiVersion: apitoken.dev/v1alpha1
kind: ClusterTokenProvider
metadata: { name: example }
spec:
  oauth2:
    tokenURL: https://idp.example.com/oauth2/token
    probe: { introspectionURL: https://idp.example.com/oauth2/introspect }
    revoke: { revocationURL: https://idp.example.com/oauth2/revoke }
";
    const MISTAKES: &str = r#"
spec: { oauth2: { probe: { introspectionURL: null } } }
    spec.oauth2.probe: Invalid value: "object": give exactly one of introspectionURL and resourceURL
spec: { oauth2: { probe: { resourceURL: https://idp.example.com/userinfo } } }
    spec.oauth2.probe: Invalid value: "object": give exactly one of introspectionURL and resourceURL
spec: { oauth2: { probe: { introspectionURL: idp.example.com } } }
    spec.oauth2.probe.introspectionURL: Invalid value: "string": must be an http or https URL without user or fragment, such as https://idp.example.com/oauth2/token
spec: { oauth2: { probe: { interval: 1s } } }
    spec.oauth2.probe.interval: Invalid value: "string": must be between 1m and 24h
spec: { oauth2: { revoke: { revocationURL: null } } }
    spec.oauth2.revoke.revocationURL: Required value
spec: { oauth2: { revoke: { revocationURL: 'https://me@idp.example.com/' } } }
    spec.oauth2.revoke.revocationURL: Invalid value: "string": must be an http or https URL without user or fragment, such as https://idp.example.com/oauth2/token
spec: { oauth2: { grant: RefreshToken } }
    spec.oauth2.revoke: Forbidden: revocation may end the whole session, and with the grant RefreshToken nobody can log in again
"#;
    assert_refused(SOUND, MISTAKES).await;
}
