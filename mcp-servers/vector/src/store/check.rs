//! What is refused before an engine sees it: names, sizes, shapes.

use super::{CollectionShape, Point, Query, StoreError};

impl CollectionShape {
    /// Whether this collection can serve as one of the wanted shape.
    pub(crate) fn check_covers(
        &self,
        collection: &str,
        wanted: &CollectionShape,
    ) -> Result<(), StoreError> {
        let mismatch = |difference| StoreError::ShapeMismatch {
            collection: collection.to_owned(),
            difference,
        };
        for (name, spec) in &wanted.dense {
            match self.dense.get(name) {
                Some(found) if found.size != spec.size => {
                    return Err(StoreError::SizeMismatch {
                        collection: collection.to_owned(),
                        vector: name.clone(),
                        expected: found.size,
                        found: spec.size,
                    });
                }
                Some(found) if found.distance != spec.distance => {
                    return Err(mismatch(format!(
                        "its vector `{name}` is compared by {:?}, not {:?}",
                        found.distance, spec.distance
                    )));
                }
                Some(_) => {}
                None => return Err(mismatch(format!("it has no dense vector `{name}`"))),
            }
        }
        match wanted
            .sparse
            .keys()
            .find(|name| !self.sparse.contains_key(*name))
        {
            Some(name) => Err(mismatch(format!("it has no sparse vector `{name}`"))),
            None => Ok(()),
        }
    }

    fn dense_size(&self, collection: &str, vector: &str) -> Result<u64, StoreError> {
        self.dense
            .get(vector)
            .map(|spec| spec.size)
            .ok_or_else(|| StoreError::NoVector {
                collection: collection.to_owned(),
                vector: vector.to_owned(),
                known: self.dense.keys().cloned().collect(),
            })
    }
}

/// A collection's name becomes a folder's.
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 128 || name.starts_with('.') || !name.chars().all(plain) {
        return Err(StoreError::BadName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// All sizes before any write, so that a batch is written whole or not at all.
pub(crate) fn check_point_sizes(
    collection: &str,
    shape: &CollectionShape,
    points: &[Point],
) -> Result<(), StoreError> {
    for (vector, values) in points.iter().flat_map(|point| &point.dense) {
        check_size(collection, shape, vector, values.len())?;
    }
    for vector in points.iter().flat_map(|point| point.sparse.keys()) {
        check_sparse(collection, shape, vector)?;
    }
    Ok(())
}

/// That there is a sparse vector of this name.
fn check_sparse(collection: &str, shape: &CollectionShape, vector: &str) -> Result<(), StoreError> {
    if shape.sparse.contains_key(vector) {
        return Ok(());
    }
    Err(StoreError::NoVector {
        collection: collection.to_owned(),
        vector: vector.to_owned(),
        known: shape.sparse.keys().cloned().collect(),
    })
}

/// The size of a query's vector.
pub(crate) fn check_query_size(
    collection: &str,
    shape: &CollectionShape,
    query: &Query,
) -> Result<(), StoreError> {
    match query {
        Query::Dense { vector, values, .. } => check_size(collection, shape, vector, values.len()),
        Query::Sparse { vector, .. } => check_sparse(collection, shape, vector),
    }
}

fn check_size(
    collection: &str,
    shape: &CollectionShape,
    vector: &str,
    found: usize,
) -> Result<(), StoreError> {
    let expected = shape.dense_size(collection, vector)?;
    if expected == found as u64 {
        return Ok(());
    }
    Err(StoreError::SizeMismatch {
        collection: collection.to_owned(),
        vector: vector.to_owned(),
        expected,
        found: found as u64,
    })
}
