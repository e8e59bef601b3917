//! What `try` is given: one provider, credentials, parameters. Nothing of a cluster, and nothing is sent.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, anyhow, bail};
use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretSlice, zeroize::Zeroizing};

use super::{
    cross_check::incomplete_with_hint,
    document::{self, Document, Source},
    finding::Finding,
    manifest::{self, Manifest, Object, ProviderManifest, SecretManifest},
    try_args::TryArgs,
    try_tls,
    validate::{self, Checked},
};
use crate::{
    api::{ApiToken, ApiTokenSpec, ProviderKind, http::Operation, names::ROLE_TLS},
    operator::{address::Tenancy, client_certificate::presenting, tls::TlsMaterial},
    provider::{
        definition::{Definition, Protocol},
        template::Template,
        validate::compile_output,
        values::Credentials,
    },
    token::output::OutputPlan,
};

/// All that is needed to ask a provider.
pub struct Trial {
    /// The provider as it is written.
    pub manifest: Manifest,
    pub preset: Option<String>,
    pub definition: Arc<Definition>,
    pub credentials: Credentials,
    /// Where they are from.
    pub credentials_from: Option<String>,
    pub parameters: BTreeMap<String, String>,
    pub tls: TlsMaterial,
    pub tenancy: Tenancy,
    pub plan: OutputPlan,
    pub spec: ApiTokenSpec,
}

/// Why there is nothing to try.
pub enum NoTrial {
    /// The provider or what it depends on is wrong.
    Findings(Vec<Finding>),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for NoTrial {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

type Data = BTreeMap<String, SecretSlice<u8>>;

impl Trial {
    /// Where a part of the definition stands; nothing of a preset stands in the file.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<String> {
        self.preset.is_none().then(|| self.manifest.place(path))
    }

    /// The path of what reads the reply to an operation.
    #[must_use]
    pub fn response_path(&self, operation: Operation) -> &'static str {
        if self.definition.protocol == Protocol::OAuth2 {
            return "spec.oauth2";
        }
        let own = self.manifest.has("spec.http.refresh.response");
        if operation == Operation::Refresh && own { "spec.http.refresh.response" } else { "spec.http.login.response" }
    }

    /// Reads all that the flags name.
    ///
    /// # Errors
    /// If something of it cannot be read or used.
    pub fn read(args: &TryArgs) -> Result<Self, NoTrial> {
        let Checked { mut manifests, findings } =
            validate::check(std::slice::from_ref(&args.file)).map_err(anyhow::Error::from)?;
        let errors: Vec<_> = findings.into_iter().filter(Finding::is_error).collect();
        if !errors.is_empty() {
            return Err(NoTrial::Findings(errors));
        }
        let (index, provider) = one_provider(&manifests, &args.file)?;
        let at = &manifests[index];
        let definition = provider.definition.clone().context("the provider cannot be used")?;
        let token = token_of(&manifests, at);
        let spec = token.map_or_else(|| blank_token(at), |token| token.spec.clone());
        let parameters = parameters(&definition, &spec, &args.parameters)?;
        let (credentials, credentials_from) = credentials(args, &manifests, token, &definition)?;
        let name = token.and_then(|token| token.metadata.name.clone()).unwrap_or_else(|| at.name.clone());
        let plan = OutputPlan::new(&name, &spec, output(&spec, &definition)?);
        let preset = provider.spec.preset.clone();
        let tls = try_tls::material(&manifests, at, &provider.spec, args.tls.as_deref())?;
        let place = credentials_from.as_deref().unwrap_or("--credentials");
        let tls = presenting(&definition, &tls, &credentials, place, Timestamp::now())
            .map_err(anyhow::Error::from)?
            .into_owned();
        let of_tenant = provider.kind == ProviderKind::TokenProvider;
        Ok(Self {
            manifest: manifests.swap_remove(index),
            preset,
            tls,
            tenancy: if of_tenant { Tenancy::Tenant } else { Tenancy::Cluster },
            definition,
            credentials,
            credentials_from,
            parameters,
            plan,
            spec,
        })
    }
}

fn one_provider<'m>(all: &'m [Manifest], file: &Path) -> anyhow::Result<(usize, &'m ProviderManifest)> {
    let provider = |(index, at): (usize, &'m Manifest)| match &at.object {
        Object::Provider(provider) => Some((index, &**provider)),
        _ => None,
    };
    let providers: Vec<_> = all.iter().enumerate().filter_map(provider).collect();
    match providers.as_slice() {
        [one] => Ok(*one),
        [] => bail!(
            "{} holds no provider: a ClusterTokenProvider or TokenProvider is wanted, for a preset one with \
             `spec: {{ preset: NAME }}`",
            file.display()
        ),
        many => {
            let names: Vec<_> = many.iter().map(|(index, _)| all[*index].to_string()).collect();
            bail!("{} holds several providers ({}): leave one in it", file.display(), names.join(", "))
        }
    }
}

/// The ApiToken of the file that names the provider, if there is just one.
fn token_of<'m>(all: &'m [Manifest], provider: &Manifest) -> Option<&'m ApiToken> {
    let mut tokens = all.iter().filter_map(|at| match &at.object {
        Object::Token(token) if token.spec.provider_ref.name == provider.name => Some(&**token),
        _ => None,
    });
    tokens.next().filter(|_| tokens.next().is_none())
}

fn blank_token(provider: &Manifest) -> ApiTokenSpec {
    serde_json::from_value(serde_json::json!({ "providerRef": { "name": provider.name } }))
        .expect("invariant: a name is all that an ApiToken needs")
}

fn parameters(
    definition: &Definition,
    spec: &ApiTokenSpec,
    given: &[(String, String)],
) -> anyhow::Result<BTreeMap<String, String>> {
    let mut all = spec.parameters.clone();
    all.extend(given.iter().cloned());
    definition.parameters(&all).map_err(|error| anyhow!("{error} (--parameter NAME=VALUE sets one)"))
}

fn output(spec: &ApiTokenSpec, definition: &Definition) -> anyhow::Result<BTreeMap<String, Template>> {
    match spec.output.as_ref().map(|output| &output.data).filter(|data| !data.is_empty()) {
        Some(data) => Ok(compile_output(data, definition)?),
        None => Ok(definition.output.clone()),
    }
}

fn credentials(
    args: &TryArgs,
    all: &[Manifest],
    token: Option<&ApiToken>,
    definition: &Definition,
) -> anyhow::Result<(Credentials, Option<String>)> {
    let read = |path: &PathBuf| -> anyhow::Result<_> { Ok((data_of(path)?, path.display().to_string())) };
    let from_file = args.credentials.as_ref().map(read);
    let wanted = token.and_then(|token| token.spec.credentials_ref.as_ref()).map(|it| it.name.as_str());
    let (data, from) = match from_file.or_else(|| secret_of(all, wanted).map(Ok)).transpose()? {
        Some((data, from)) => (data, Some(from)),
        None => (Data::new(), None),
    };
    let pairs = data.iter().map(|(key, value)| (key.as_str(), value.expose_secret()));
    match Credentials::read(definition, pairs) {
        Ok(credentials) => Ok((credentials, from)),
        Err(_) if from.is_none() => {
            let keys: Vec<_> = definition.credentials.required.iter().map(String::as_str).collect();
            bail!("the provider wants {}: give them by --credentials DIR or FILE", keys.join(", "))
        }
        Err(incomplete) => {
            let message = incomplete_with_hint(&incomplete, data.keys().map(String::as_str), definition);
            bail!("{}: {message}", from.unwrap_or_default())
        }
    }
}

/// A Secret's data, taken as it is from the file with the provider.
fn secret_of(all: &[Manifest], wanted: Option<&str>) -> Option<(Data, String)> {
    let mut secrets = all.iter().filter_map(|at| match &at.object {
        // A provider's certificate beside it is not taken for credentials.
        Object::Secret(secret) if secret.role.as_deref() == Some(ROLE_TLS) => None,
        Object::Secret(secret) if wanted.is_none_or(|name| name == at.name) => Some((copy(secret), at.to_string())),
        _ => None,
    });
    secrets.next().filter(|_| secrets.next().is_none())
}

fn copy(secret: &SecretManifest) -> Data {
    secret.data.iter().map(|(key, value)| (key.clone(), value.expose_secret().to_vec().into())).collect()
}

fn data_of(path: &Path) -> anyhow::Result<Data> {
    let cannot = || format!("cannot read the credentials in {}", path.display());
    if path.is_dir() {
        return directory(path).with_context(cannot);
    }
    let text = Zeroizing::new(fs::read_to_string(path).with_context(cannot)?);
    let source = Source { name: path.display().to_string(), text: text.to_string() };
    let documents = document::documents(&source).unwrap_or_default();
    let mut findings = Vec::new();
    let read = |document: Document| Manifest::read(document, &mut findings);
    let manifests: Vec<_> = documents.into_iter().flat_map(manifest::objects).filter_map(read).collect();
    let mut secrets = manifests.iter().filter_map(|at| match &at.object {
        Object::Secret(secret) => Some(copy(secret)),
        _ => None,
    });
    if let Some(finding) = findings.iter().find(|finding| finding.is_error() && finding.path.contains("ata.")) {
        bail!("{}: {} {}", path.display(), finding.path, finding.message);
    }
    match (secrets.next(), secrets.next()) {
        (Some(data), None) => Ok(data),
        (Some(_), Some(_)) => bail!("{} holds several Secrets: leave one in it", path.display()),
        (None, _) => lines(&text)
            .with_context(|| format!("{} is neither a Secret manifest nor lines of KEY=VALUE", path.display())),
    }
}

/// As a Secret is mounted: a file for each key. Kubernetes' own entries begin with two dots.
fn directory(path: &Path) -> io::Result<Data> {
    let mut data = Data::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_file() && !name.starts_with("..") {
            data.insert(name, fs::read(entry)?.into());
        }
    }
    Ok(data)
}

/// As `kubectl create secret --from-env-file` takes them: values as they are, quotes included.
fn lines(text: &str) -> anyhow::Result<Data> {
    let mut data = Data::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').with_context(|| format!("line {} has no `=`", index + 1))?;
        data.insert(key.trim().to_owned(), value.as_bytes().to_vec().into());
    }
    Ok(data)
}
