//! Resources: what a client may read by address, one by one or by template.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use percent_encoding::percent_decode_str;

use crate::content::Body;
use crate::context::CallContext;
use crate::error::ToolError;

/// What is said of a resource or of a template of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceMeta {
    /// Its address; in a template, with `{name}` where an address varies.
    pub uri: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Media type of the contents.
    pub mime_type: String,
}

/// What stands for the names of a template in an address, decoded.
pub type TemplateValues = BTreeMap<String, String>;

type Read = dyn Fn(TemplateValues, CallContext) -> BoxFuture<'static, Result<Body, ToolError>>
    + Send
    + Sync;

#[derive(Clone)]
pub(crate) struct ServedResource {
    pub(crate) meta: ResourceMeta,
    template: Template,
    read: Arc<Read>,
}

impl ServedResource {
    pub(crate) fn new<F, Fut>(meta: ResourceMeta, read: F) -> Self
    where
        F: Fn(TemplateValues, CallContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Body, ToolError>> + Send + 'static,
    {
        Self {
            template: Template::new(&meta.uri),
            meta,
            read: Arc::new(move |values, context| read(values, context).boxed()),
        }
    }

    /// Whether it stands for many addresses.
    pub(crate) fn is_template(&self) -> bool {
        self.template.names().next().is_some()
    }

    /// The values under which the address is one of its own.
    pub(crate) fn matches(&self, uri: &str) -> Option<TemplateValues> {
        self.template.matches(uri)
    }

    pub(crate) async fn read(
        &self,
        values: TemplateValues,
        context: CallContext,
    ) -> Result<Body, ToolError> {
        (self.read)(values, context).await
    }
}

/// An address in which names stand for parts of the path (RFC 6570, level 1).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Name(String),
}

impl Template {
    fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, name, tail)) = rest.split_once('{').and_then(|(literal, after)| {
            let (name, tail) = after.split_once('}')?;
            Some((literal, name, tail))
        }) {
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(Part::Name(name.to_owned()));
            rest = tail;
        }
        parts.push(Part::Literal(rest.to_owned()));
        Self(parts)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// A name stands for one or more characters of one segment: never for a slash, so that no
    /// value leads out of the place the template leaves for it.
    fn matches(&self, uri: &str) -> Option<TemplateValues> {
        let mut values = BTreeMap::new();
        let mut rest = uri;
        let mut parts = self.0.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Part::Name(name) => {
                    let end = match parts.peek() {
                        Some(Part::Literal(next)) if !next.is_empty() => {
                            rest.find(next.as_str())?
                        }
                        _ => rest.find('/').unwrap_or(rest.len()),
                    };
                    let (value, tail) = rest.split_at_checked(end)?;
                    let value = percent_decode_str(value).decode_utf8().ok()?;
                    if value.is_empty() || value.contains('/') {
                        return None;
                    }
                    values.insert(name.clone(), value.into_owned());
                    rest = tail;
                }
            }
        }
        rest.is_empty().then_some(values)
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn values(template: &str, uri: &str) -> Option<Vec<(String, String)>> {
        Template::new(template)
            .matches(uri)
            .map(|values| values.into_iter().collect())
    }

    #[test]
    fn names_stand_for_one_segment_each() {
        let template = "doc://{shelf}/books/{id}";
        let found = values(template, "doc://a/books/b%20c").unwrap();
        assert_eq!(
            found,
            [("id".into(), "b c".into()), ("shelf".into(), "a".into())]
        );
        for other in [
            "doc://a/books/",
            "doc://a/b/books/c",
            "doc://a/books/b/c",
            "doc://a/books/..%2Fsecret",
            "doc://a/book/b",
            "xdoc://a/books/b",
        ] {
            assert_eq!(values(template, other), None, "{other}");
        }
    }

    #[test]
    fn an_address_without_names_is_only_itself() {
        assert_eq!(values("doc://one", "doc://one"), Some(Vec::new()));
        assert_eq!(values("doc://one", "doc://one/more"), None);
        assert_eq!(values("doc://{open", "doc://{open"), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn what_was_filled_in_is_found_again(shelf in "[^/]{1,12}", id in "[^/]{1,12}") {
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let uri = format!("doc://{}/books/{}", encode(&shelf), encode(&id));
            let found = values("doc://{shelf}/books/{id}", &uri).unwrap();
            prop_assert_eq!(found, [("id".to_owned(), id), ("shelf".to_owned(), shelf)]);
        }

        #[test]
        fn any_text_is_answered(template in "\\PC{0,20}|[{}/a]{0,12}", uri in "\\PC{0,20}|[{}/a%]{0,12}") {
            let _ = values(&template, &uri);
        }
    }
}
