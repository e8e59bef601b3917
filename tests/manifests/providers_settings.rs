//! Mistakes in a provider beside its form: which form, where it is, parameters, limits, TLS.

use crate::applying::assert_refused;

const SOUND: &str = r"
apiVersion: apitoken.dev/v1alpha1
kind: TokenProvider
metadata: { name: tenovos }
spec: { preset: Tenovos }
";

#[tokio::test]
async fn a_provider_has_exactly_one_form() {
    const MISTAKES: &str = r#"
spec: { preset: null }
    spec: Invalid value: "object": give exactly one of preset, http and oauth2: it says how to log in
spec: { oauth2: { tokenURL: 'https://idp.example.com/token' } }
    spec: Invalid value: "object": give exactly one of preset, http and oauth2: it says how to log in
spec: { preset: Teno vos }
    spec.preset: Invalid value: "string": must be the name of a preset, such as Palette
spec: { preset: null, oauth2: { tokenURL: 'https://idp.example.com/token' }, url: 'https://a.example.com' }
    spec.url: Forbidden: oauth2 takes no url: it has tokenURL or issuer
spec: { preset: null, http: { login: { method: POST, path: /, response: { accessToken: { json: /t }, expiry: [ { after: 1h } ] } } } }
    spec.url: Required value: http needs url: the base URL that the paths are appended to
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn an_address_that_could_leak_or_mislead_is_refused() {
    const MISTAKES: &str = r#"
spec: { url: api.example.com }
    spec.url: Invalid value: "string": must be an http or https URL without user, query or fragment, such as https://api.example.com/v1
spec: { url: 'ftp://api.example.com' }
    spec.url: Invalid value: "string": must be an http or https URL without user, query or fragment, such as https://api.example.com/v1
spec: { url: 'https://me:secret@api.example.com' }
    spec.url: Invalid value: "string": must be an http or https URL without user, query or fragment, such as https://api.example.com/v1
spec: { url: 'https://api.example.com/v1?tenant=a' }
    spec.url: Invalid value: "string": must be an http or https URL without user, query or fragment, such as https://api.example.com/v1
spec: { url: 'https://api.example.com/v1#top' }
    spec.url: Invalid value: "string": must be an http or https URL without user, query or fragment, such as https://api.example.com/v1
spec: { url: 'https:///v1' }
    spec.url: Invalid value: "string": must be an http or https URL without user, query or fragment, such as https://api.example.com/v1
spec: { url: 'https://${parameters.host}/v1' }
    spec.url: Invalid value: "string": an address is static: ${...} is not replaced here
spec: { url: 'http://api.example.com' }
    spec.url: Forbidden: plain http shows credentials to everybody on the way: use https, or say tls.insecureHTTP: true
spec: { url: 'http://api.example.com', tls: { insecureHTTP: false } }
    spec.url: Forbidden: plain http shows credentials to everybody on the way: use https, or say tls.insecureHTTP: true
spec: { preset: null, oauth2: { tokenURL: 'http://idp.example.com/token' } }
    spec.oauth2: Forbidden: plain http shows credentials to everybody on the way: use https, or say tls.insecureHTTP: true
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn mistakes_in_declared_parameters_are_refused() {
    const MISTAKES: &str = r#"
spec: { parameters: [ { name: a b } ] }
    spec.parameters[0].name: Invalid value: "string": must be letters, digits, '_' and '-'
spec: { parameters: [ { default: x } ] }
    .spec.parameters: element 0: associative list with keys has an element that omits all key fields ["name"] (and doesn't have default values for any key fields)
spec: { parameters: [ { name: a, required: true, default: x } ] }
    spec.parameters[0].default: Invalid value: "object": a required parameter has no default: the ApiToken has to set it
spec: { parameters: [ { name: a, enum: [red, green], default: blue } ] }
    spec.parameters[0].default: Invalid value: "object": the default must be one of enum
spec: { parameters: [ { name: a, enum: [] } ] }
    spec.parameters[0].enum: Invalid value: 0: spec.parameters[0].enum in body should have at least 1 items
spec: { parameters: [ { name: a, enum: [x, x] } ] }
    .spec.parameters[name="a"].enum: duplicate entries for key [="x"]
spec: { parameters: [ { name: a }, { name: a } ] }
    .spec.parameters: duplicate entries for key [name="a"]
spec: { output: { data: { 'a b': x } } }
    spec.output.data: Invalid value: "object": each key must be fit for a Secret: 1 to 253 letters, digits, '-', '_' and '.'; not '.', and nothing that begins with '..'
spec: { output: {} }
    spec.output.data: Required value
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn limits_out_of_range_are_refused() {
    const MISTAKES: &str = r#"
spec: { limits: { requestsPerSecond: 0 } }
    spec.limits.requestsPerSecond: Invalid value: 0: spec.limits.requestsPerSecond in body should be greater than or equal to 1
spec: { limits: { burst: 1001 } }
    spec.limits.burst: Invalid value: 1001: spec.limits.burst in body should be less than or equal to 1000
spec: { limits: { concurrency: -1 } }
    spec.limits.concurrency: Invalid value: -1: spec.limits.concurrency in body should be greater than or equal to 1
spec: { limits: { timeout: 0s } }
    spec.limits.timeout: Invalid value: "string": must be between 1s and 5m
spec: { limits: { timeout: 10m } }
    spec.limits.timeout: Invalid value: "string": must be between 1s and 5m
spec: { limits: { timeout: thirty } }
    spec.limits.timeout: Invalid value: "string": must be hours, minutes and seconds in this order, such as 1h30m, 720h or 45s
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn mistakes_in_tls_are_refused() {
    const MISTAKES: &str = r#"
spec: { tls: { caBundle: LS0tLS1CRUdJTi } }
    spec.tls.caBundle: Invalid value: "string": must be one or more certificates as PEM text
spec: { tls: { caBundle: '-----BEGIN CERTIFICATE-----', caBundleRef: { kind: Secret, name: ca, key: ca.crt } } }
    spec.tls: Invalid value: "object": give at most one of caBundle and caBundleRef
spec: { tls: { caBundleRef: { kind: File, name: ca, key: ca.crt } } }
    spec.tls.caBundleRef.kind: Unsupported value: "File": supported values: "ConfigMap", "Secret"
spec: { tls: { caBundleRef: { kind: Secret, name: ca } } }
    spec.tls.caBundleRef.key: Required value
spec: { tls: { caBundleRef: { kind: Secret, name: ca, key: a/b } } }
    spec.tls.caBundleRef.key: Invalid value: "string": must be a key of a Secret: only letters, digits, '-', '_' and '.'
spec: { tls: { clientCertificateRef: { name: ca, namespace: other } } }
    .spec.tls.clientCertificateRef.namespace: field not declared in schema
spec: { tls: { caBundleRef: { kind: ConfigMap, name: ca, key: ca.crt, namespace: other } } }
    .spec.tls.caBundleRef.namespace: field not declared in schema
spec: { tls: { clientCertificateRef: { name: Client } } }
    spec.tls.clientCertificateRef.name: Invalid value: "string": must be the name of an object: lowercase letters, digits, '-' and '.', beginning and ending with a letter or digit
spec: { tls: { clientCertificateRef: {} } }
    spec.tls.clientCertificateRef.name: Required value
spec: { tls: { insecureSkipVerify: true } }
    .spec.tls.insecureSkipVerify: field not declared in schema
spec: { allowedNamespaces: { selector: {} } }
    .spec.allowedNamespaces: field not declared in schema
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn mistakes_in_a_cluster_provider_are_refused_as_in_any_other() {
    const CLUSTER: &str = r"
apiVersion: apitoken.dev/v1alpha1
kind: ClusterTokenProvider
metadata: { name: refused-tenovos }
spec: { preset: Tenovos, allowedNamespaces: { selector: { matchLabels: { team: assets } } } }
";
    const MISTAKES: &str = r#"
spec: { preset: null }
    spec: Invalid value: "object": give exactly one of preset, http and oauth2: it says how to log in
spec: { url: 'http://api.example.com' }
    spec.url: Forbidden: plain http shows credentials to everybody on the way: use https, or say tls.insecureHTTP: true
spec: { allowedNamespaces: { selector: null } }
    spec.allowedNamespaces.selector: Required value
spec: { allowedNamespaces: [web] }
    .spec.allowedNamespaces: expected map, got &{[web]}
spec: { allowedNamespaces: { names: [web] } }
    .spec.allowedNamespaces.names: field not declared in schema
"#;
    assert_refused(CLUSTER, MISTAKES).await;
}
