//! Who may log in: names, passwords, and what becomes of wrong ones.

use std::collections::BTreeMap;

/// One account. What a vendor calls the name and the password differs (email, client id; client secret).
#[derive(Clone, Debug)]
pub struct Account {
    pub password: String,
    /// Palette: the tenant. A login that names another one is refused; one that names none is not.
    pub org: Option<String>,
    /// Tenovos: the customer's API key.
    pub api_key: Option<String>,
    pub disabled: bool,
    /// Wrong passwords since the last good login or [`unlock`](Accounts::unlock).
    pub(super) failures: u32,
}

/// All accounts of one vendor, by name.
#[derive(Debug, Default)]
pub struct Accounts(BTreeMap<String, Account>);

impl Account {
    pub fn new(password: &str) -> Self {
        Self { password: password.to_owned(), org: None, api_key: None, disabled: false, failures: 0 }
    }
}

impl Accounts {
    pub fn add(&mut self, name: &str, account: Account) {
        self.0.insert(name.to_owned(), account);
    }

    pub fn get(&self, name: &str) -> Option<&Account> {
        self.0.get(name)
    }

    pub fn has_api_key(&self, api_key: &str) -> bool {
        self.0.values().any(|account| account.api_key.as_deref() == Some(api_key))
    }

    /// The account, to be changed.
    ///
    /// # Panics
    /// If there is no account of that name: the story has a typing error.
    pub fn existing(&mut self, name: &str) -> &mut Account {
        self.0.get_mut(name).unwrap_or_else(|| panic!("the vendor has no account {name:?}; add_account comes first"))
    }

    pub fn unlock(&mut self, name: &str) {
        self.existing(name).failures = 0;
    }

    /// Checks a login. After `lockout_after` wrong passwords the right one is refused as well, and looks no different
    /// to the client. The error is for the history only.
    pub fn admit(&mut self, name: &str, password: &str, lockout_after: Option<u32>) -> Result<(), &'static str> {
        let account = self.0.get_mut(name).ok_or("no such account")?;
        if lockout_after.is_some_and(|limit| account.failures >= limit) {
            return Err("the account is locked");
        }
        if account.password != password {
            account.failures += 1;
            return Err("wrong password");
        }
        if account.disabled {
            return Err("the account is disabled");
        }
        account.failures = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_account() -> Accounts {
        let mut accounts = Accounts::default();
        accounts.add("robot", Account::new("right"));
        accounts
    }

    #[test]
    fn after_the_last_allowed_failure_the_right_password_is_refused_until_unlocked() {
        let mut accounts = one_account();
        for _ in 0..3 {
            assert_eq!(accounts.admit("robot", "wrong", Some(3)), Err("wrong password"));
        }
        assert_eq!(accounts.admit("robot", "right", Some(3)), Err("the account is locked"));
        accounts.unlock("robot");
        assert_eq!(accounts.admit("robot", "right", Some(3)), Ok(()));
    }

    #[test]
    fn a_good_login_forgets_the_failures_before_it() {
        let mut accounts = one_account();
        for _ in 0..5 {
            assert_eq!(accounts.admit("robot", "wrong", Some(2)), Err("wrong password"));
            assert_eq!(accounts.admit("robot", "right", Some(2)), Ok(()));
        }
    }

    #[test]
    fn a_disabled_account_is_refused_with_the_right_password() {
        let mut accounts = one_account();
        accounts.existing("robot").disabled = true;
        assert_eq!(accounts.admit("robot", "right", None), Err("the account is disabled"));
    }
}
