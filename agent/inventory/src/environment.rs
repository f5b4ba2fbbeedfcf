//! Which environment variables carry credentials: names by a list of patterns, never values.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// Patterns that apply where none are configured.
pub const DEFAULT_NAMES: &[&str] = &[
    "*PASSWORD*",
    "*PASSWD*",
    "*PASSPHRASE*",
    "*_PASS",
    "*_PWD",
    "*SECRET*",
    "*TOKEN*",
    "*CREDENTIAL*",
    "*API_KEY*",
    "*APIKEY*",
    "*ACCESS_KEY*",
    "*PRIVATE_KEY*",
    "*ENCRYPTION_KEY*",
    "*SIGNING_KEY*",
    "*AUTH_KEY*",
    "*_PAT",
    "*_DSN",
    "*CONNECTION_STRING*",
    "*CONNSTR*",
    "DATABASE_URL",
    "*_DATABASE_URL",
    "DB_URL",
    "REDIS_URL",
    "MONGO*_UR[IL]",
    "AMQP_URL",
    "*WEBHOOK_URL*",
];

/// Ends of names that, among the defaults, hold a place or a setting and not the credential.
const DEFAULT_EXCEPT: &[&str] = &["*_FILE", "*_PATH", "*_DIR", "*_TTL", "*_NAME", "OLDPWD"];

/// A pattern that could not be understood.
#[derive(Debug, thiserror::Error)]
#[error("environment name pattern `{pattern}` is not a glob: {problem}")]
pub struct PatternError {
    /// The pattern as configured.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The list of patterns, matched without regard to case.
#[derive(Debug, Clone)]
pub struct CredentialNames {
    include: GlobSet,
    except: GlobSet,
}

impl CredentialNames {
    /// Exactly these patterns (`*`, `?`, `[...]`).
    pub fn configured<S: AsRef<str>>(patterns: &[S]) -> Result<Self, PatternError> {
        Ok(Self { include: set(patterns)?, except: GlobSet::empty() })
    }

    /// [`DEFAULT_NAMES`], but for names that end like a path or a setting.
    pub fn defaults() -> Result<Self, PatternError> {
        Ok(Self { include: set(DEFAULT_NAMES)?, except: set(DEFAULT_EXCEPT)? })
    }

    /// Whether a variable of this name carries a credential.
    pub fn matches(&self, name: &str) -> bool {
        self.include.is_match(name) && !self.except.is_match(name)
    }
}

fn set<S: AsRef<str>>(patterns: &[S]) -> Result<GlobSet, PatternError> {
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        builder.add(glob(pattern.as_ref())?);
    }
    builder.build().map_err(|error| PatternError { pattern: String::new(), problem: error.to_string() })
}

fn glob(pattern: &str) -> Result<Glob, PatternError> {
    GlobBuilder::new(pattern)
        .case_insensitive(true)
        .build()
        .map_err(|error| PatternError { pattern: pattern.to_owned(), problem: error.kind().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_know_common_credentials_and_leave_the_rest() {
        let names = CredentialNames::defaults().unwrap();
        for name in [
            "DB_PASSWORD",
            "PGPASSWORD",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "GITHUB_TOKEN",
            "STRIPE_API_KEY",
            "DATABASE_URL",
            "MONGODB_URI",
            "SENTRY_DSN",
            "smtp_pass",
        ] {
            assert!(names.matches(name), "{name}");
        }
        for name in ["PATH", "HOME", "PWD", "OLDPWD", "AWS_WEB_IDENTITY_TOKEN_FILE", "KEYBOARD", "HOSTNAME"] {
            assert!(!names.matches(name), "{name}");
        }
    }

    #[test]
    fn configured_patterns_are_taken_as_they_are() {
        let names = CredentialNames::configured(&["*_TOKEN", "my_key?"]).unwrap();
        assert!(names.matches("a_token") && names.matches("MY_KEY1"));
        assert!(!names.matches("PASSWORD"));
        let error = CredentialNames::configured(&["[x"]).unwrap_err();
        assert!(error.to_string().contains("`[x`"), "{error}");
    }
}
