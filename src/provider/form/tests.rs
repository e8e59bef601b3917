use crate::provider::{
    definition::{Body, Expiry, JsonTemplate, Source},
    fixtures::{MINIMAL, definition, minimal, spec},
    validate::{Problem, compile},
};

fn problems(yaml: &str) -> Vec<Problem> {
    compile(&spec(yaml)).err().map(|invalid| invalid.0).unwrap_or_default()
}

const LOGIN_PATH: &str = "path: /login";
const PARAMETERS: &str = "parameters: []";
const JSON: &str = "{ json: { password: \"${credentials.password}\" } }";
const LOGIN: &str = "  login:";
const TOKEN: &str = "accessToken: { json: /token }";
const AFTER: &str = "[ { after: 1h } ]";
const REFRESH_PATH: &str = "path: /refresh";
const REFRESH_BODY: &str = "{ json: { token: \"${session.accessToken}\" } }";

/// What is replaced in the minimal provider, by what, where the problem is seen, and a part of its message.
type Row = (&'static str, &'static str, &'static str, &'static str);

fn each_is_refused(table: &[Row]) {
    for (from, to, path, message) in table {
        let to = to.replace("TOKEN,", "method: GET, path: /me, query: { t: '${session.accessToken}' },");
        let found = problems(&minimal(from, &to));
        let seen = found.iter().any(|problem| problem.path == *path && problem.message.contains(message));
        assert!(seen, "{to}: {found:?}");
        assert_eq!(found.len(), 1, "{to}: {found:?}");
    }
}

#[test]
fn the_minimal_provider_is_good_and_has_the_defaults() {
    let minimal = definition(MINIMAL);
    assert_eq!(minimal.output["token"].source(), "${accessToken}");
    let limits = (minimal.limits.requests_per_second, minimal.limits.burst, minimal.limits.concurrency);
    assert_eq!((limits, minimal.limits.timeout.as_secs()), ((50, 100, 32), 30));
    let refresh = minimal.refresh.unwrap();
    assert_eq!(refresh.response, minimal.login.response);
    assert_eq!((refresh.session_limit, refresh.reuse), (None, crate::api::http::Reuse::OneTime));
}

#[test]
fn a_bad_head_is_refused() {
    each_is_refused(&[
        ("url: https://api.example.com/v1\n", "", "spec.url", "is required with http"),
        ("https://api", "http://api", "spec.url", "tls.insecureHTTP"),
        ("/v1", "/v1?key=x", "spec.url", "query"),
        (PARAMETERS, "parameters: [{ name: a b }]", "spec.parameters[0].name", "letters"),
        (PARAMETERS, "parameters: [{ name: a }, { name: a }]", "spec.parameters[1].name", "twice"),
        (PARAMETERS, "parameters: [{ name: a, default: x, required: true }]", "spec.parameters[0].default", "required"),
        (PARAMETERS, "parameters: [{ name: a, default: x, enum: [y] }]", "spec.parameters[0].default", "one of y"),
        (PARAMETERS, "limits: { burst: 0 }", "spec.limits.burst", "at least 1"),
        (PARAMETERS, "limits: { requestsPerSecond: -1 }", "spec.limits.requestsPerSecond", "at least 1"),
        (PARAMETERS, "limits: { timeout: 0s }", "spec.limits.timeout", "30s"),
        ("[org]", "[password]", "spec.http.credentials.optional", "required already"),
        ("[org]", "[a/b]", "spec.http.credentials.optional", "key of a Secret"),
        (PARAMETERS, "output: { data: { a/b: x } }", "spec.output.data.a/b", "key of a Secret"),
        (PARAMETERS, "output: { data: { a: \"${outputs.id}\" } }", "spec.output.data.a", "are: none"),
        (
            PARAMETERS,
            "output: { data: { a: \"${credentials.password}\" } }",
            "spec.output.data.a",
            "credentials never enter an output",
        ),
        (
            PARAMETERS,
            "output: { data: { a: \"${session.refreshToken}\" } }",
            "spec.output.data.a",
            "refresh token never enters an output",
        ),
    ]);
}

#[test]
fn a_bad_request_is_refused() {
    each_is_refused(&[
        (LOGIN_PATH, "path: login", "spec.http.login.path", "begin with /"),
        (LOGIN_PATH, "path: /login?a=b", "spec.http.login.path", "under query"),
        (LOGIN_PATH, "path: \"/log in\"", "spec.http.login.path", "blank"),
        (LOGIN_PATH, "path: '/a\\b'", "spec.http.login.path", "must begin"),
        (LOGIN_PATH, "path: /a/../b", "spec.http.login.path", "`..`"),
        (LOGIN_PATH, "path: /a/%2E%2e/b", "spec.http.login.path", "`..`"),
        (LOGIN_PATH, "path: \"/${credentials.org}\"", "spec.http.login.path", "is optional"),
        (LOGIN_PATH, "path: \"/${credential.org}\"", "spec.http.login.path", "did you mean `${credentials.org}`?"),
        (LOGIN_PATH, "path: /login\n    query: { a: \"${x\" }", "spec.http.login.query.a", "never closed"),
        (LOGIN_PATH, "path: /login\n    headers: { Host: x }", "spec.http.login.headers.Host", "operator itself"),
        (LOGIN_PATH, "path: /login\n    headers: { Te: x }", "spec.http.login.headers.Te", "operator itself"),
        (LOGIN_PATH, "path: /login\n    headers: { X-a: x, x-A: z }", "spec.http.login.headers.x-A", "twice"),
        (LOGIN_PATH, "path: /login\n    headers: { a b: x }", "spec.http.login.headers.a b", "not a header name"),
        (LOGIN_PATH, "path: /login\n    headers: { a: ü }", "spec.http.login.headers.a", "visible ASCII"),
        (
            LOGIN_PATH,
            "path: /login\n    headers: { authorization: x }\n    basicAuth: { username: a, password: b }",
            "spec.http.login.basicAuth",
            "keep one",
        ),
        (
            LOGIN_PATH,
            "path: /login\n    basicAuth: { username: \"${credentials.org}\", password: b }",
            "spec.http.login.basicAuth.username",
            "is optional",
        ),
        ("method: POST", "method: GET", "spec.http.login.body", "GET has no body"),
        (JSON, "{}", "spec.http.login.body", "exactly one"),
        (JSON, "{ json: {}, form: {} }", "spec.http.login.body", "exactly one"),
        (JSON, "{ multipart: {} }\n    headers: { Content-Type: x }", "spec.http.login.headers", "no Content-Type"),
        (JSON, "{ json: { a: [ \"${nope}\" ] } }", "spec.http.login.body.json.a[0]", "is not a name"),
        (JSON, "{ json: { a: { b: \"${credentials.c}\" } } }", "spec.http.login.body.json.a.b", "add c to"),
        (JSON, "{ form: { a: \"${parameters.c}\" } }", "spec.http.login.body.form.a", "spec.parameters"),
        (JSON, "{ form: { a: \"${session.accessToken}\" } }", "spec.http.login.body.form.a", "cannot stand in a login"),
        (JSON, "{ form: { a: \"${accessToken}\" } }", "spec.http.login.body.form.a", "cannot stand in a login"),
    ]);
}

#[test]
fn a_bad_response_is_refused() {
    each_is_refused(&[
        (TOKEN, "accessToken: {}", "spec.http.login.response.accessToken", "exactly one"),
        (TOKEN, "accessToken: { json: /a, text: {} }", "spec.http.login.response.accessToken", "exactly one"),
        (TOKEN, "accessToken: { json: a }", "spec.http.login.response.accessToken.json", "JSON pointer"),
        (TOKEN, "accessToken: { json: /a~2 }", "spec.http.login.response.accessToken.json", "JSON pointer"),
        (TOKEN, "accessToken: { header: a b }", "spec.http.login.response.accessToken.header", "header name"),
        (TOKEN, "accessToken: { cookie: \"a;b\" }", "spec.http.login.response.accessToken.cookie", "cookie name"),
        (AFTER, "[]", "spec.http.login.response.expiry", "at least one"),
        (AFTER, "[ {} ]", "spec.http.login.response.expiry[0]", "exactly one"),
        (AFTER, "[ { after: 1h, jwt: accessToken } ]", "spec.http.login.response.expiry[0]", "exactly one"),
        (AFTER, "[ { after: 0s } ]", "spec.http.login.response.expiry[0].after", "longer than nothing"),
        (AFTER, "[ { jwt: refreshToken } ]", "spec.http.login.response.expiry[0].jwt", "names no value"),
        (AFTER, "[ { jwt: id } ]", "spec.http.login.response.expiry[0].jwt", "names no value"),
        (AFTER, "[ { seconds: {} } ]", "spec.http.login.response.expiry[0].seconds", "exactly one"),
        (
            AFTER,
            "[ { after: 1h } ]\n      sessionExpiry: [ { after: 1h } ]",
            "spec.http.login.response.sessionExpiry",
            "sessionLimit",
        ),
        (
            AFTER,
            "[ { after: 1h } ]\n      outputs: { accessToken: { text: {} } }",
            "spec.http.login.response.outputs.accessToken",
            "an output is named",
        ),
        (
            AFTER,
            "[ { after: 1h } ]\n      outputs: { 1a: { text: {} } }",
            "spec.http.login.response.outputs.1a",
            "a letter first",
        ),
    ]);
}

#[test]
fn a_bad_refresh_is_refused() {
    each_is_refused(&[
        (REFRESH_BODY, "{ json: { a: b } }", "spec.http.refresh", "uses nothing of the session"),
        (
            REFRESH_BODY,
            "{ json: { a: \"${session.refreshToken}\" } }",
            "spec.http.refresh.body.json.a",
            "login's response has no refreshToken",
        ),
        (
            REFRESH_BODY,
            "{ json: { a: \"${accessToken}\" } }",
            "spec.http.refresh.body.json.a",
            "did you mean `${session.accessToken}`?",
        ),
        (REFRESH_PATH, "path: /refresh\n    sessionLimit: 0s", "spec.http.refresh.sessionLimit", "longer than nothing"),
        (
            REFRESH_PATH,
            "path: /refresh\n    response: { accessToken: { json: /t }, outputs: { id: { json: /id } }, expiry: [ { after: 1h } ] }",
            "spec.http.refresh.response.outputs.id",
            "no output of the login's response",
        ),
    ]);
}

#[test]
fn a_bad_rule_is_refused() {
    let rule =
        |rule: &'static str| -> &'static str { Box::leak(format!("  errors: [ {rule} ]\n  login:").into_boxed_str()) };
    each_is_refused(&[
        ("  login:", rule("{ class: Rejected }"), "spec.http.errors[0]", "every reply"),
        ("  login:", rule("{ json: /a, text: {}, class: Rejected }"), "spec.http.errors[0]", "at most one"),
        ("  login:", rule("{ status: [400], equals: [a], class: Rejected }"), "spec.http.errors[0].equals", "nothing"),
        ("  login:", rule("{ status: [400], class: SessionOver }"), "spec.http.errors[0].class", "operation: Refresh"),
        ("  login:", rule("{ status: [100], class: Rejected }"), "spec.http.errors[0].status", "200 to 599"),
        (
            "  login:",
            rule("{ status: [400], class: Rejected, reason: a }"),
            "spec.http.errors[0].reason",
            "MfaRequired",
        ),
        ("  login:", rule("{ json: a, class: Rejected }"), "spec.http.errors[0].json", "JSON pointer"),
    ]);
}

#[test]
fn every_problem_is_told_at_once() {
    let yaml = minimal(LOGIN_PATH, "path: login").replace(AFTER, "[]").replace("https://api", "http://api");
    let text = compile(&spec(&yaml)).unwrap_err().to_string();
    for path in ["spec.url: ", "; spec.http.login.response.expiry: ", "; spec.http.login.path: "] {
        assert!(text.contains(path), "{text}");
    }
}

#[test]
fn a_wrong_login_response_is_told_once() {
    let yaml = minimal(TOKEN, "accessToken: {}").replace(REFRESH_BODY, "{ json: { a: \"${session.refreshToken}\" } }");
    assert_eq!(problems(&yaml).len(), 1);
}

#[test]
fn a_json_body_keeps_what_is_no_string() {
    let yaml = minimal(JSON, r#"{ json: { a: true, b: 1.5, c: null, d: [ "${credentials.org}", {} ], e: "true" } }"#);
    let Some(Body::Json(members)) = definition(&yaml).login.request.body else { panic!("a JSON body") };
    let member = |name: &str| &members.iter().find(|(known, _)| known == name).unwrap().1;
    assert_eq!(*member("a"), JsonTemplate::Fixed(true.into()));
    assert_eq!(*member("b"), JsonTemplate::Fixed(1.5.into()));
    assert_eq!(*member("c"), JsonTemplate::Fixed(serde_json::Value::Null));
    assert!(matches!(member("e"), JsonTemplate::Text(template) if template.source() == "true"));
    assert!(matches!(member("d"), JsonTemplate::List(elements) if elements.len() == 2));
}

#[test]
fn a_pointer_may_be_empty_and_a_jwt_may_be_of_the_logins_values() {
    let yaml = minimal(TOKEN, "accessToken: { json: \"\" }\n      refreshToken: { header: X-Refresh }");
    let yaml = yaml.replace(
        REFRESH_PATH,
        "path: /refresh\n    response: { accessToken: { text: {} }, expiry: [ { jwt: refreshToken } ] }",
    );
    let definition = definition(&yaml);
    assert_eq!(definition.login.response.access_token, Source::Json(String::new()));
    assert!(matches!(definition.refresh.unwrap().response.expiry[0], Expiry::Jwt(_)));
}

#[test]
fn a_bad_request_about_a_token_is_refused() {
    let probe = "spec.http.probe";
    each_is_refused(&[
        (LOGIN, "  probe: { method: GET, path: /me }\n  login:", probe, "is about no token"),
        (LOGIN, "  revoke: { method: DELETE, path: /me }\n  login:", "spec.http.revoke", "is about no token"),
        (
            LOGIN,
            "  probe: { method: GET, path: /me, query: { t: '${session.refreshToken}' } }\n  login:",
            "spec.http.probe.query.t",
            "it may be good for one use",
        ),
        (
            LOGIN,
            "  revoke: { method: GET, path: /me, query: { t: '${accessToken}' } }\n  login:",
            "spec.http.revoke.query.t",
            "did you mean `${session.accessToken}`?",
        ),
        (
            LOGIN,
            "  probe: { method: GET, path: '/${session.outputs.id}' }\n  login:",
            "spec.http.probe.path",
            "are: none",
        ),
        (LOGIN, "  probe: { TOKEN, interval: 59s }\n  login:", "spec.http.probe.interval", "between 1m and 24h"),
        (LOGIN, "  probe: { TOKEN, interval: 25h }\n  login:", "spec.http.probe.interval", "between 1m and 24h"),
        (LOGIN, "  probe: { TOKEN, refused: [ {} ] }\n  login:", "spec.http.probe.refused[0]", "every reply"),
        (
            LOGIN,
            "  probe: { TOKEN, refused: [ { status: [99] } ] }\n  login:",
            "spec.http.probe.refused[0].status",
            "599",
        ),
        (
            LOGIN,
            "  probe: { TOKEN, refused: [ { status: [401], equals: [x] } ] }\n  login:",
            "spec.http.probe.refused[0].equals",
            "compares nothing",
        ),
    ]);
}

#[test]
fn a_probe_asks_every_five_minutes_and_takes_401_for_a_refusal() {
    let definition = definition(&minimal(
        LOGIN,
        "  probe: { method: GET, path: /me, query: { t: '${session.accessToken}' } }\n  login:",
    ));
    let probe = definition.probe.unwrap();
    assert_eq!((probe.interval.as_secs(), probe.refused.len()), (300, 1));
    assert_eq!(probe.refused[0].status, [401]);
    assert!(definition.revoke.is_none());
}
