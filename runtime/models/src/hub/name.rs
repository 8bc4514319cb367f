//! What a person types for a model of the hub.

use std::fmt;
use std::str::FromStr;

use super::error::HubError;

/// `OWNER/REPO`, with `@REVISION` and `:CHOICE` where there are several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName {
    /// Whose.
    pub owner: String,
    /// Which repository.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// A file, or a quantisation: `Q4_K_M`.
    pub choice: Option<String>,
}

impl ModelName {
    /// `OWNER/REPO`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.repo)
    }
}

impl FromStr for ModelName {
    type Err = HubError;

    /// Also takes addresses of the hub: `hf.co/OWNER/REPO`, `https://huggingface.co/OWNER/REPO`.
    fn from_str(name: &str) -> Result<Self, HubError> {
        let bad = |reason| HubError::BadName {
            name: name.to_owned(),
            reason,
        };
        let rest = name.strip_prefix("https://").unwrap_or(name);
        let rest = ["hf.co/", "huggingface.co/", "hf:"]
            .iter()
            .find_map(|prefix| rest.strip_prefix(prefix))
            .unwrap_or(rest);
        let (rest, choice) = match rest.split_once(':') {
            Some((rest, choice)) => (rest, Some(choice)),
            None => (rest, None),
        };
        let (rest, revision) = rest.split_once('@').unwrap_or((rest, "main"));
        let (owner, repo) = rest
            .trim_end_matches('/')
            .split_once('/')
            .ok_or_else(|| bad("there is no `/` between owner and repository"))?;
        // These become folders: nothing that leads out of one.
        let plain = |part: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !part.is_empty() && !part.starts_with('.') && part.bytes().all(known)
        };
        if !plain(owner) || !plain(repo) {
            return Err(bad(
                "owner and repository are letters, digits, `-`, `_` and `.`",
            ));
        }
        if revision.is_empty() || choice.is_some_and(str::is_empty) {
            return Err(bad("nothing stands after `@` or `:`"));
        }
        Ok(Self {
            owner: owner.to_owned(),
            repo: repo.to_owned(),
            revision: revision.to_owned(),
            choice: choice.map(str::to_owned),
        })
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.owner, self.repo)?;
        if self.revision != "main" {
            write!(formatter, "@{}", self.revision)?;
        }
        match &self.choice {
            Some(choice) => write!(formatter, ":{choice}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_every_form() {
        for (typed, shown) in [
            ("Qwen/Qwen3-0.6B-GGUF", "Qwen/Qwen3-0.6B-GGUF"),
            ("hf.co/a/b:Q4_K_M", "a/b:Q4_K_M"),
            ("https://huggingface.co/a/b/", "a/b"),
            ("a/b@v1.0:x.gguf", "a/b@v1.0:x.gguf"),
            ("a/b@main", "a/b"),
        ] {
            let name: ModelName = typed.parse().unwrap();
            assert_eq!(name.to_string(), shown);
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for typed in [
            "",
            "a",
            "a/",
            "/b",
            "a/b/c",
            "../b",
            "a/..",
            "a/.b",
            "a/b:",
            "a/b@",
            "a/b c",
            "a\\b/c",
            "https://example.com/a/b",
        ] {
            let error = typed.parse::<ModelName>().unwrap_err();
            assert!(error.to_string().contains("OWNER/REPO"), "{typed}");
        }
    }
}
