//! Mistakes in the `http` form.

use crate::applying::assert_refused;

const SOUND: &str = r#"
apiVersion: apitoken.dev/v1alpha1
kind: TokenProvider
metadata: { name: example }
spec:
  url: https://api.example.com/v1
  http:
    credentials: { required: [username, password] }
    login:
      method: POST
      path: /auth/token
      body: { json: { username: "${credentials.username}", password: "${credentials.password}" } }
      response:
        accessToken: { json: /accessToken }
        outputs: { tenant: { header: X-Tenant } }
        expiry: [ { seconds: { json: /expiresIn } } ]
    refresh:
      method: GET
      path: /auth/refresh
      query: { token: "${session.accessToken}" }
"#;

#[tokio::test]
async fn mistakes_in_a_request_are_refused() {
    const MISTAKES: &str = r#"
spec: { http: { login: null } }
    spec.http.login: Required value
spec: { http: { login: { method: HEAD } } }
    spec.http.login.method: Unsupported value: "HEAD": supported values: "GET", "POST", "PUT", "PATCH", "DELETE"
spec: { http: { login: { method: null } } }
    spec.http.login.method: Required value
spec: { http: { login: { path: auth/token } } }
    spec.http.login.path: Invalid value: "string": must begin with / and have no query, fragment or blank: what follows a ? goes into query
spec: { http: { login: { path: '/auth?grant=x' } } }
    spec.http.login.path: Invalid value: "string": must begin with / and have no query, fragment or blank: what follows a ? goes into query
spec: { http: { login: { path: '/auth token' } } }
    spec.http.login.path: Invalid value: "string": must begin with / and have no query, fragment or blank: what follows a ? goes into query
spec: { http: { login: { method: GET } } }
    spec.http.login.body: Forbidden: a GET request has no body: use query, or another method
spec: { http: { login: { query: { '': x } } } }
    spec.http.login.query: Invalid value: "object": a name must not be empty
spec: { http: { login: { headers: { Host: x } } } }
    spec.http.login.headers: Invalid value: "object": Host, Content-Length, Transfer-Encoding, Connection, Expect, TE, Trailer, Upgrade and Accept-Encoding are set by the operator
spec: { http: { login: { headers: { content-LENGTH: '1' } } } }
    spec.http.login.headers: Invalid value: "object": Host, Content-Length, Transfer-Encoding, Connection, Expect, TE, Trailer, Upgrade and Accept-Encoding are set by the operator
spec: { http: { login: { headers: { X-Key: a, x-key: b } } } }
    spec.http.login.headers: Invalid value: "object": the same header is given twice: names are compared without regard to case
spec: { http: { login: { headers: { 'X Key': a } } } }
    spec.http.login.headers: Invalid value: "object": each name must be that of a header, such as X-API-Key
spec: { http: { login: { headers: { authorization: a }, basicAuth: { username: a, password: b } } } }
    spec.http.login.headers: Forbidden: basicAuth makes the Authorization header: give one of the two
spec: { http: { login: { basicAuth: { username: a } } } }
    spec.http.login.basicAuth.password: Required value
spec: { http: { login: { basicAuth: { username: a, password: b, encoding: Base64 } } } }
    spec.http.login.basicAuth.encoding: Unsupported value: "Base64": supported values: "Raw", "FormURLEncoded"
spec: { http: { login: { body: { json: null } } } }
    spec.http.login.body: Invalid value: "object": give exactly one of json, form and multipart
spec: { http: { login: { body: { form: { a: b } } } } }
    spec.http.login.body: Invalid value: "object": give exactly one of json, form and multipart
spec: { http: { login: { body: { json: null, xml: { a: b } } } } }
    .spec.http.login.body.xml: field not declared in schema
spec: { http: { login: { body: { json: [a] } } } }
    .spec.http.login.body.json: expected map, got &{[a]}
spec: { http: { login: { body: { json: null, form: { expires: 3600 } } } } }
    .spec.http.login.body.form.expires: expected string, got &value.valueUnstructured{Value:3600}
spec: { http: { login: { headers: { content-type: x }, body: { json: null, multipart: { a: b } } } } }
    spec.http.login.headers: Forbidden: a multipart body makes the Content-Type header itself, with its boundary
spec: { http: { login: { body: { json: null, multipart: { 'a"b': c } } } } }
    spec.http.login.body.multipart: Invalid value: "object": a name of a multipart field must not have quotes or line ends
spec: { http: { credentials: { required: [user/name] } } }
    spec.http.credentials.required[0]: Invalid value: "string": must be a key of a Secret: only letters, digits, '-', '_' and '.'
spec: { http: { credentials: { required: [a, a] } } }
    .spec.http.credentials.required: duplicate entries for key [="a"]
spec: { http: { credentials: { optional: [password] } } }
    spec.http.credentials: Invalid value: "object": a key is either required or optional, not both
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn mistakes_in_reading_a_reply_are_refused() {
    const MISTAKES: &str = r#"
spec: { http: { login: { response: { accessToken: null } } } }
    spec.http.login.response.accessToken: Required value
spec: { http: { login: { response: { accessToken: { json: null } } } } }
    spec.http.login.response.accessToken: Invalid value: "object": give exactly one of json, header, cookie and text: the place where the value stands
spec: { http: { login: { response: { accessToken: { header: X-Token } } } } }
    spec.http.login.response.accessToken: Invalid value: "object": give exactly one of json, header, cookie and text: the place where the value stands
spec: { http: { login: { response: { accessToken: { json: accessToken } } } } }
    spec.http.login.response.accessToken.json: Invalid value: "string": must be a JSON pointer (RFC 6901) such as /session/accessToken; "" is the whole document
spec: { http: { login: { response: { accessToken: { json: '/a~2' } } } } }
    spec.http.login.response.accessToken.json: Invalid value: "string": must be a JSON pointer (RFC 6901) such as /session/accessToken; "" is the whole document
spec: { http: { login: { response: { accessToken: { json: null, header: 'X Token' } } } } }
    spec.http.login.response.accessToken.header: Invalid value: "string": must be the name of a header, such as X-Auth-Token
spec: { http: { login: { response: { accessToken: { json: null, cookie: 'a=b' } } } } }
    spec.http.login.response.accessToken.cookie: Invalid value: "string": must be the name of a cookie
spec: { http: { login: { response: { accessToken: { optional: true } } } } }
    .spec.http.login.response.accessToken.optional: field not declared in schema
spec: { http: { login: { response: { refreshToken: { optional: true } } } } }
    spec.http.login.response.refreshToken: Invalid value: "object": give exactly one of json, header, cookie and text: the place where the value stands
spec: { http: { login: { response: { outputs: { id-token: { json: /id } } } } } }
    spec.http.login.response.outputs: Invalid value: "object": each name must be a letter, then at most 62 letters and digits
spec: { http: { login: { response: { outputs: { refreshToken: { json: /id } } } } } }
    spec.http.login.response.outputs: Invalid value: "object": accessToken, refreshToken and expiresAt have a meaning of their own: choose other names
spec: { http: { refresh: { response: { accessToken: { json: /t }, outputs: { other: { json: /o } }, expiry: [ { after: 1h } ] } } } }
    spec.http.refresh.response.outputs: Invalid value: "object": refresh.response.outputs may only name outputs that login.response.outputs names too
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn mistakes_in_when_things_end_are_refused() {
    const MISTAKES: &str = r#"
spec: { http: { login: { response: { expiry: null } } } }
    spec.http.login.response.expiry: Required value
spec: { http: { login: { response: { expiry: [] } } } }
    spec.http.login.response.expiry: Invalid value: 0: spec.http.login.response.expiry in body should have at least 1 items
spec: { http: { login: { response: { expiry: [ {} ] } } } }
    spec.http.login.response.expiry[0]: Invalid value: "object": give exactly one of seconds, milliseconds, minutes, epochSeconds, epochMilliseconds, epochMicroseconds, timestamp, jwt, cookie and after in one entry
spec: { http: { login: { response: { expiry: [ { after: 1h, jwt: accessToken } ] } } } }
    spec.http.login.response.expiry[0]: Invalid value: "object": give exactly one of seconds, milliseconds, minutes, epochSeconds, epochMilliseconds, epochMicroseconds, timestamp, jwt, cookie and after in one entry
spec: { http: { login: { response: { expiry: [ { after: 0h } ] } } } }
    spec.http.login.response.expiry[0].after: Invalid value: "string": must be longer than 0
spec: { http: { login: { response: { expiry: [ { after: 3600 } ] } } } }
    .spec.http.login.response.expiry[0].after: expected string, got &value.valueUnstructured{Value:3600}
spec: { http: { login: { response: { expiry: [ { after: 1d } ] } } } }
    spec.http.login.response.expiry[0].after: Invalid value: "string": must be hours, minutes and seconds in this order, such as 1h30m, 720h or 45s
spec: { http: { login: { response: { expiry: [ { jwt: access-token } ] } } } }
    spec.http.login.response.expiry[0].jwt: Invalid value: "string": must be a letter, then letters and digits
spec: { http: { login: { response: { expiry: [ { seconds: /expires_in } ] } } } }
    .spec.http.login.response.expiry[0].seconds: expected map, got &{/expires_in}
spec: { http: { login: { response: { sessionExpiry: [ { after: 1h } ] } } } }
    spec.http.login.response.sessionExpiry: Invalid value: "array": takes no after: for a fixed time there is sessionLimit
spec: { http: { refresh: { sessionLimit: 0s } } }
    spec.http.refresh.sessionLimit: Invalid value: "string": must be longer than 0
spec: { http: { refresh: { sessionLimit: 30d } } }
    spec.http.refresh.sessionLimit: Invalid value: "string": must be hours, minutes and seconds in this order, such as 1h30m, 720h or 45s
spec: { http: { refresh: { reuse: Always } } }
    spec.http.refresh.reuse: Unsupported value: "Always": supported values: "OneTime", "Reusable"
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn mistakes_in_rules_on_errors_are_refused() {
    const MISTAKES: &str = r#"
spec: { http: { errors: [ { status: [401] } ] } }
    spec.http.errors[0].class: Required value
spec: { http: { errors: [ { class: Rejected } ] } }
    spec.http.errors[0]: Invalid value: "object": a rule needs status, or one of json, header and text: otherwise it would match every reply
spec: { http: { errors: [ { operation: Login, class: Rejected } ] } }
    spec.http.errors[0]: Invalid value: "object": a rule needs status, or one of json, header and text: otherwise it would match every reply
spec: { http: { errors: [ { status: [401], class: Fatal } ] } }
    spec.http.errors[0].class: Unsupported value: "Fatal": supported values: "Rejected", "SessionOver", "RateLimited", "Transient", "Misconfigured"
spec: { http: { errors: [ { status: [401], class: SessionOver } ] } }
    spec.http.errors[0].class: Invalid value: "object": SessionOver needs operation: Refresh, since a login has no session that could be over
spec: { http: { errors: [ { status: [401], class: SessionOver, operation: Login } ] } }
    spec.http.errors[0].class: Invalid value: "object": SessionOver needs operation: Refresh, since a login has no session that could be over
spec: { http: { errors: [ { status: [100], class: Rejected } ] } }
    spec.http.errors[0].status[0]: Invalid value: 100: spec.http.errors[0].status[0] in body should be greater than or equal to 200
spec: { http: { errors: [ { status: [600], class: Rejected } ] } }
    spec.http.errors[0].status[0]: Invalid value: 600: spec.http.errors[0].status[0] in body should be less than or equal to 599
spec: { http: { errors: [ { status: ['401'], class: Rejected } ] } }
    .spec.http.errors[0].status[="401"]: expected numeric (int or float), got string
spec: { http: { errors: [ { json: /a, header: X-A, class: Rejected } ] } }
    spec.http.errors[0]: Invalid value: "object": give at most one of json, header and text in one rule
spec: { http: { errors: [ { status: [200], equals: [error], class: Rejected } ] } }
    spec.http.errors[0].equals: Invalid value: "object": equals compares what stands at json, header or text: give one of them
spec: { http: { errors: [ { json: /isMfa, equals: [true], class: Rejected } ] } }
    .spec.http.errors[0].equals[=true]: expected string, got &value.valueUnstructured{Value:true}
spec: { http: { errors: [ { status: [401], class: Rejected, reason: wrong password } ] } }
    spec.http.errors[0].reason: Invalid value: "string": must be a capital letter, then letters and digits, such as MfaRequired
"#;
    assert_refused(SOUND, MISTAKES).await;
}
