//! Which names may stand where, and what is said to people who put one elsewhere.

use crate::{
    api::provider::Parameter,
    provider::{
        definition::{CredentialKeys, Response},
        nearest::{did_you_mean, nearest},
        problem::Problems,
        template::{Name, Template},
    },
};

/// Where a template stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum Stage {
    Login,
    Refresh,
    Probe,
    Revoke,
    Output,
}

/// Who says which keys of the credentials there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum Keys {
    /// `http.credentials`
    Declared,
    /// They have fixed names.
    OfOAuth2,
}

/// What is declared around a template.
#[derive(Clone, Copy)]
pub(in crate::provider) struct Scope<'a> {
    pub stage: Stage,
    pub credentials: &'a CredentialKeys,
    pub keys: Keys,
    pub parameters: &'a [Parameter],
    /// What a session will hold. `None`: not known, since the login's response is wrong itself; nothing more is said.
    pub login: Option<&'a Response>,
}

impl Scope<'_> {
    /// The text as a template, unless it is none or uses what it may not.
    pub fn template(&self, problems: &mut Problems, path: &str, text: &str) -> Option<Template> {
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(error) => {
                problems.add(path, error.to_string());
                return None;
            }
        };
        let mut good = true;
        for name in template.names() {
            if let Err(message) = self.allows(name) {
                problems.add(path, message);
                good = false;
            }
        }
        good.then_some(template)
    }

    /// The same where nothing may be left out.
    pub fn required(&self, problems: &mut Problems, path: &str, text: &str) -> Option<Template> {
        let template = self.template(problems, path, text)?;
        if let Some(name) = template.names().find(|name| self.may_be_absent(name)) {
            problems
                .add(path, format!("`${{{name}}}` is optional, and nothing can be left out here: make it required"));
            return None;
        }
        Some(template)
    }

    fn allows(&self, name: &Name) -> Result<(), String> {
        match (name, self.stage) {
            (Name::Credential(_) | Name::Parameter(_) | Name::ApiTokenUid, stage) if stage != Stage::Output => {
                self.declared(name)
            }
            (Name::SessionAccessToken | Name::SessionOutput(_), Stage::Probe | Stage::Revoke)
            | (Name::SessionAccessToken | Name::SessionRefreshToken | Name::SessionOutput(_), Stage::Refresh)
            | (Name::AccessToken | Name::ExpiresAt | Name::Output(_), Stage::Output) => self.of_session(name),
            _ => Err(self.misplaced(name)),
        }
    }

    fn declared(&self, name: &Name) -> Result<(), String> {
        match name {
            Name::Credential(key) if !self.credentials.declares(key) => {
                let known = self.credentials.required.iter().chain(&self.credentials.optional).map(String::as_str);
                let remedy = nearest(key, known)
                    .map_or_else(|| self.unknown_key(key), |meant| format!("did you mean `${{credentials.{meant}}}`?"));
                Err(format!("`${{{name}}}` is not declared: {remedy}"))
            }
            Name::Parameter(parameter) if !self.parameters.iter().any(|known| known.name == *parameter) => {
                let known = self.parameters.iter().map(|known| known.name.as_str());
                let remedy = nearest(parameter, known).map_or_else(
                    || format!("add {parameter} to spec.parameters"),
                    |meant| format!("did you mean `${{parameters.{meant}}}`?"),
                );
                Err(format!("`${{{name}}}` is not declared: {remedy}"))
            }
            _ => Ok(()),
        }
    }

    fn unknown_key(&self, key: &str) -> String {
        match self.keys {
            Keys::Declared => format!("add {key} to spec.http.credentials.required or .optional"),
            Keys::OfOAuth2 => {
                let known = self.credentials.required.iter().chain(&self.credentials.optional).cloned();
                format!("oauth2 reads the keys {}", known.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn of_session(&self, name: &Name) -> Result<(), String> {
        let Some(login) = self.login else { return Ok(()) };
        match name {
            Name::SessionRefreshToken if login.refresh_token.is_none() => {
                Err(format!("`${{{name}}}` never has a value: the login's response has no refreshToken"))
            }
            Name::SessionOutput(output) | Name::Output(output) if !login.outputs.contains_key(output) => {
                let names = || login.outputs.keys().map(String::as_str);
                let meant = did_you_mean(output, names(), |meant| {
                    format!("`${{{}}}`", name.to_string().replace(output, meant))
                });
                let known = names().collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "none".to_owned() } else { known };
                Err(format!("`${{{name}}}` never has a value: the outputs of the login's response are: {known}{meant}"))
            }
            _ => Ok(()),
        }
    }

    fn misplaced(&self, name: &Name) -> String {
        let hint = match (name, self.stage) {
            (Name::Credential(_), Stage::Output) => "; credentials never enter an output",
            (Name::SessionRefreshToken, Stage::Output) => "; the refresh token never enters an output",
            (Name::SessionAccessToken, Stage::Output) => "; did you mean `${accessToken}`?",
            (Name::SessionOutput(output), Stage::Output) => &format!("; did you mean `${{outputs.{output}}}`?"),
            (Name::SessionRefreshToken, Stage::Probe | Stage::Revoke) => {
                "; a refresh token is shown to nothing but a refresh: it may be good for one use"
            }
            (Name::AccessToken, Stage::Refresh | Stage::Probe | Stage::Revoke) => {
                "; did you mean `${session.accessToken}`?"
            }
            (Name::Output(output), Stage::Refresh | Stage::Probe | Stage::Revoke) => {
                &format!("; did you mean `${{session.outputs.{output}}}`?")
            }
            _ => "",
        };
        let here = match self.stage {
            Stage::Login => "a login request, which has credentials.KEY, parameters.NAME, apiToken.uid",
            Stage::Refresh => {
                "a refresh request, which has what a login has, and session.accessToken, \
                               session.refreshToken, session.outputs.NAME"
            }
            Stage::Probe | Stage::Revoke => {
                "a request about a token, which has what a login has, and session.accessToken, session.outputs.NAME"
            }
            Stage::Output => "output.data, which has accessToken, expiresAt, outputs.NAME",
        };
        format!("`${{{name}}}` cannot stand in {here}{hint}")
    }

    fn may_be_absent(&self, name: &Name) -> bool {
        let optional = |wanted: Option<&crate::provider::definition::Wanted>| wanted.is_some_and(|it| it.optional);
        match name {
            Name::Credential(key) => !self.credentials.required.contains(key),
            Name::Parameter(name) => self
                .parameters
                .iter()
                .any(|known| known.name == *name && known.default.is_none() && known.required != Some(true)),
            Name::SessionRefreshToken => optional(self.login.and_then(|login| login.refresh_token.as_ref())),
            Name::SessionOutput(name) => optional(self.login.and_then(|login| login.outputs.get(name))),
            _ => false,
        }
    }
}
