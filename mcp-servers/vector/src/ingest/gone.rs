//! Documents that are gone, and what a cut-off ingestion left of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ropewalk_documents::files;
use serde_json::Value;

use super::Ingestor;
use crate::collection::{self, field, is};
use crate::filter::Filter;
use crate::store::StoreError;

impl Ingestor {
    pub(super) async fn remove_document(
        &self,
        collection: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        let all = Filter {
            all: vec![is(field::DOC, id)],
        };
        self.store
            .delete(collection, &crate::store::Selection::Matching(all))
            .await
    }

    pub(super) async fn remove_gone(
        &self,
        listing: &files::Listing,
        known: &BTreeMap<String, collection::StoredDocument>,
        collection: &str,
    ) -> Result<usize, StoreError> {
        let present: BTreeSet<&str> = listing
            .files
            .iter()
            .map(|file| file.source.as_str())
            .collect();
        let gone = |source: &str, root: &str| {
            let ours = listing.roots.iter().any(|given| given == root);
            ours && !present.contains(source) && !Path::new(source).exists()
        };
        let mut ids: BTreeSet<String> = known
            .values()
            .filter(|document| gone(&document.source, &document.root))
            .map(|document| document.id.clone())
            .collect();
        // A document whose ingestion was cut off has a second chunk and no first one.
        let second = Filter {
            all: vec![is(field::CHUNK, 1)],
        };
        let fields = [field::DOC, field::SOURCE, field::ROOT];
        collection::walk(&*self.store, collection, &second, &fields, |point| {
            let text = |name: &str| point.payload.get(name).and_then(Value::as_str);
            if let (Some(id), Some(source), Some(root)) =
                (text(field::DOC), text(field::SOURCE), text(field::ROOT))
                && gone(source, root)
            {
                ids.insert(id.to_owned());
            }
        })
        .await?;
        for id in &ids {
            self.remove_document(collection, id).await?;
        }
        Ok(ids.len())
    }

    /// Whether the collection holds chunks that no finished document accounts for: of a version
    /// that was being written or removed when the program was killed.
    pub(super) async fn strays(
        &self,
        collection: &str,
        known: &BTreeMap<String, collection::StoredDocument>,
    ) -> Result<bool, StoreError> {
        let accounted: u64 = known.values().map(|document| document.chunks).sum();
        let held = self.store.count(collection, &Filter::default()).await?;
        Ok(held != accounted)
    }

    /// Removes what the collection holds of other versions of a document that is current.
    pub(super) async fn drop_strays(
        &self,
        collection: &str,
        current: &collection::StoredDocument,
    ) -> Result<(), StoreError> {
        let outdated = collection::outdated(&current.id, &current.version);
        if self.store.count(collection, &outdated).await? > 0 {
            let outdated = crate::store::Selection::Matching(outdated);
            self.store.delete(collection, &outdated).await?;
        }
        Ok(())
    }
}
