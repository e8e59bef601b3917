//! Mistakes in the `oauth2` form.

use crate::applying::assert_refused;

const SOUND: &str = r#"
apiVersion: apitoken.dev/v1alpha1
kind: TokenProvider
metadata: { name: idp }
spec: { oauth2: { tokenURL: "https://idp.example.com/oauth2/token" } }
"#;

#[tokio::test]
async fn mistakes_in_an_oauth2_login_are_refused() {
    const MISTAKES: &str = r#"
spec: { oauth2: { tokenURL: null } }
    spec.oauth2: Invalid value: "object": give exactly one of tokenURL and issuer
spec: { oauth2: { issuer: 'https://idp.example.com' } }
    spec.oauth2: Invalid value: "object": give exactly one of tokenURL and issuer
spec: { oauth2: { tokenURL: 'https://me@idp.example.com/token' } }
    spec.oauth2.tokenURL: Invalid value: "string": must be an http or https URL without user or fragment, such as https://idp.example.com/oauth2/token
spec: { oauth2: { tokenURL: null, issuer: 'https://idp.example.com/?realm=a' } }
    spec.oauth2.issuer: Invalid value: "string": must be an http or https URL without user, query or fragment, such as https://api.example.com/v1
spec: { oauth2: { grant: client_credentials } }
    spec.oauth2.grant: Unsupported value: "client_credentials": supported values: "ClientCredentials", "Password", "RefreshToken", "JWTBearer"
spec: { oauth2: { clientAuth: { method: None } } }
    spec.oauth2.clientAuth.method: Invalid value: "object": the grant ClientCredentials needs a client that authenticates: None goes with other grants only
spec: { oauth2: { clientAuth: { method: Body, encoding: Raw } } }
    spec.oauth2.clientAuth.encoding: Forbidden: only the method Basic has an encoding
spec: { oauth2: { clientAuth: { algorithm: ES256 } } }
    spec.oauth2.clientAuth.algorithm: Forbidden: only the method PrivateKeyJWT has an algorithm
spec: { oauth2: { clientAuth: { method: TLS, audience: a } }, tls: { clientCertificateRef: { name: client } } }
    spec.oauth2.clientAuth.audience: Forbidden: only the method PrivateKeyJWT has an audience
spec: { oauth2: { scopes: [''] } }
    spec.oauth2.scopes[0]: Invalid value: "": spec.oauth2.scopes[0] in body should be at least 1 chars long
spec: { oauth2: { scopes: read write } }
    .spec.oauth2.scopes: expected list, got &{read write}
spec: { oauth2: { parameters: { grant_type: password } } }
    spec.oauth2.parameters: Invalid value: "object": grant_type, client_id, client_secret, client_assertion, client_assertion_type, username, password, refresh_token and assertion follow from grant and clientAuth
spec: { oauth2: { parameters: { scope: read } } }
    spec.oauth2.parameters: Invalid value: "object": scope, audience and resource have fields of their own: scopes, audience, resources
spec: { oauth2: { assertion: { subject: me } } }
    spec.oauth2.assertion: Forbidden: only the grant JWTBearer has an assertion
spec: { oauth2: { outputs: { expiresAt: { json: /exp } } } }
    spec.oauth2.outputs: Invalid value: "object": accessToken, refreshToken and expiresAt have a meaning of their own: choose other names
spec: { oauth2: { lifetime: 0s } }
    spec.oauth2.lifetime: Invalid value: "string": must be longer than 0
"#;
    assert_refused(SOUND, MISTAKES).await;
}

#[tokio::test]
async fn mistakes_in_an_oauth2_refresh_are_refused() {
    const MISTAKES: &str = r#"
spec: { oauth2: { refresh: { use: Always } } }
    spec.oauth2.refresh.use: Unsupported value: "Always": supported values: "Auto", "Never"
spec: { oauth2: { refresh: { use: Never, reuse: Reusable } } }
    spec.oauth2.refresh: Invalid value: "object": with use: Never nothing is refreshed, and the other fields mean nothing
spec: { oauth2: { grant: RefreshToken, refresh: { use: Never } } }
    spec.oauth2.refresh.use: Invalid value: "object": a refresh token of the credentials is good for one login: Never goes with other grants only
spec: { oauth2: { refresh: { parameters: { refresh_token: x } } } }
    spec.oauth2.refresh.parameters: Invalid value: "object": grant_type, client_id, client_secret, client_assertion, client_assertion_type and refresh_token are set by the operator
spec: { oauth2: { refresh: { sessionLimit: 0h } } }
    spec.oauth2.refresh.sessionLimit: Invalid value: "string": must be longer than 0
spec: { oauth2: { refresh: { sessionExpiry: [ { after: 1h } ] } } }
    spec.oauth2.refresh.sessionExpiry: Invalid value: "array": takes no after: for a fixed time there is sessionLimit
"#;
    assert_refused(SOUND, MISTAKES).await;
}
