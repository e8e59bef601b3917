//! Mistakes in an ApiToken.

use crate::applying::assert_refused;

const SOUND: &str = r"
apiVersion: apitoken.dev/v1alpha1
kind: ApiToken
metadata: { name: assets }
spec:
  providerRef: { name: tenovos }
  credentialsRef: { name: tenovos-login }
  output: { secretName: assets-token }
";

#[tokio::test]
async fn mistakes_in_references_are_refused_with_a_remedy() {
    const MISTAKES: &str = r#"
spec: { providerRef: null }
    spec.providerRef: Required value
spec: { providerRef: { name: null } }
    spec.providerRef.name: Required value
spec: { providerRef: { name: '' } }
    spec.providerRef.name: Invalid value: "object": must be the name of an object (lowercase letters, digits, '-' and '.'), or with kind Preset that of a preset, such as Palette
spec: { providerRef: { name: Tenovos } }
    spec.providerRef.name: Invalid value: "object": must be the name of an object (lowercase letters, digits, '-' and '.'), or with kind Preset that of a preset, such as Palette
spec: { providerRef: { kind: Preset, name: '../x' } }
    spec.providerRef.name: Invalid value: "object": must be the name of an object (lowercase letters, digits, '-' and '.'), or with kind Preset that of a preset, such as Palette
spec: { providerRef: { kind: Provider } }
    spec.providerRef.kind: Unsupported value: "Provider": supported values: "ClusterTokenProvider", "TokenProvider", "Preset"
spec: { providerRef: { namespace: other } }
    .spec.providerRef.namespace: field not declared in schema
spec: { credentialsRef: { name: Tenovos_Login } }
    spec.credentialsRef.name: Invalid value: "string": must be the name of an object: lowercase letters, digits, '-' and '.', beginning and ending with a letter or digit
spec: { credentialsRef: { namespace: other, name: theirs } }
    .spec.credentialsRef.namespace: field not declared in schema
spec: { credentialsRef: tenovos-login }
    .spec.credentialsRef: expected map, got &{tenovos-login}
spec: { credentialRef: { name: tenovos-login } }
    .spec.credentialRef: field not declared in schema
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn an_output_that_could_do_harm_is_refused() {
    const MISTAKES: &str = r#"
spec: { output: { secretName: tenovos-login } }
    spec.credentialsRef.name: Invalid value: "object": the output must not be the credentials Secret: set output.secretName to another name (its default is the ApiToken's own name)
spec: { output: null, credentialsRef: { name: mistaken } }
    spec.credentialsRef.name: Invalid value: "object": the output must not be the credentials Secret: set output.secretName to another name (its default is the ApiToken's own name)
spec: { output: { secretName: apitoken-session-1 } }
    spec: Invalid value: "object": Secrets named apitoken-session-... are the operator's own: set output.secretName to another name (its default is the ApiToken's own name)
spec: { output: { secretName: Assets } }
    spec.output.secretName: Invalid value: "string": must be the name of an object: lowercase letters, digits, '-' and '.', beginning and ending with a letter or digit
spec: { output: { data: {} } }
    spec.output.data: Invalid value: 0: spec.output.data in body should have at least 1 properties
spec: { output: { data: { 'a/b': x } } }
    spec.output.data: Invalid value: "object": each key must be fit for a Secret: 1 to 253 letters, digits, '-', '_' and '.'; not '.', and nothing that begins with '..'
spec: { output: { data: { ..data: x } } }
    spec.output.data: Invalid value: "object": each key must be fit for a Secret: 1 to 253 letters, digits, '-', '_' and '.'; not '.', and nothing that begins with '..'
spec: { output: { data: { number: 1 } } }
    .spec.output.data.number: expected string, got &value.valueUnstructured{Value:1}
spec: { output: { labels: { apitoken.dev/role: credentials } } }
    spec.output.labels: Invalid value: "object": keys under apitoken.dev/, kubernetes.io/ and k8s.io/ are reserved; app.kubernetes.io/ is free to use
spec: { output: { labels: { node-role.kubernetes.io/worker: w } } }
    spec.output.labels: Invalid value: "object": keys under apitoken.dev/, kubernetes.io/ and k8s.io/ are reserved; app.kubernetes.io/ is free to use
spec: { output: { labels: { -team: assets } } }
    spec.output.labels: Invalid value: "object": each key must be a qualified name such as team or example.com/team
spec: { output: { labels: { team: 'two words' } } }
    spec.output.labels[team]: Invalid value: "string": must be a label value: letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, or empty
spec: { output: { annotations: { kubernetes.io/service-account.name: default } } }
    spec.output.annotations: Invalid value: "object": keys under apitoken.dev/, kubernetes.io/ and k8s.io/ are reserved; app.kubernetes.io/ is free to use
spec: { output: { annotations: { x.k8s.io/group: g } } }
    spec.output.annotations: Invalid value: "object": keys under apitoken.dev/, kubernetes.io/ and k8s.io/ are reserved; app.kubernetes.io/ is free to use
spec: { output: { onDelete: Orphan } }
    spec.output.onDelete: Unsupported value: "Orphan": supported values: "Delete", "Retain"
spec: { output: { type: kubernetes.io/tls } }
    .spec.output.type: field not declared in schema
spec: { output: { immutable: true } }
    .spec.output.immutable: field not declared in schema
spec: { output: { namespace: other } }
    .spec.output.namespace: field not declared in schema
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn mistakes_in_when_to_renew_are_refused_with_the_range() {
    const MISTAKES: &str = r#"
spec: { refresh: { before: 5m, atPercent: 50 } }
    spec.refresh: Invalid value: "object": give at most one of before and atPercent
spec: { refresh: { before: 5 minutes } }
    spec.refresh.before: Invalid value: "string": must be hours, minutes and seconds in this order, such as 1h30m, 720h or 45s
spec: { refresh: { before: 30m1h } }
    spec.refresh.before: Invalid value: "string": must be hours, minutes and seconds in this order, such as 1h30m, 720h or 45s
spec: { refresh: { before: 1.5h } }
    spec.refresh.before: Invalid value: "string": must be hours, minutes and seconds in this order, such as 1h30m, 720h or 45s
spec: { refresh: { before: '' } }
    spec.refresh.before: Invalid value: "string": must be hours, minutes and seconds in this order, such as 1h30m, 720h or 45s
spec: { refresh: { before: 0s } }
    spec.refresh.before: Invalid value: "string": must be longer than 0
spec: { refresh: { before: 300 } }
    .spec.refresh.before: expected string, got &value.valueUnstructured{Value:300}
spec: { refresh: { atPercent: 9 } }
    spec.refresh.atPercent: Invalid value: 9: spec.refresh.atPercent in body should be greater than or equal to 10
spec: { refresh: { atPercent: 96 } }
    spec.refresh.atPercent: Invalid value: 96: spec.refresh.atPercent in body should be less than or equal to 95
spec: { refresh: { atPercent: 66.6 } }
    spec.refresh.atPercent: Invalid value: "number": spec.refresh.atPercent in body must be of type integer: "number"
spec: { suspend: 'yes' }
    .spec.suspend: expected boolean, got &{yes}
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn mistakes_in_parameters_are_refused() {
    const MISTAKES: &str = r#"
spec: { parameters: { 'my scope': read } }
    spec.parameters: Invalid value: "object": each name must be 1 to 63 letters, digits, '_' and '-'
spec: { parameters: { scope: [read] } }
    .spec.parameters.scope: expected string, got &value.valueUnstructured{Value:[]interface {}{"read"}}
"#;
    assert_refused(SOUND, MISTAKES).await;
}
