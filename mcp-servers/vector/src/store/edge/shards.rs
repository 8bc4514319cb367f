//! The folder: a shard of the engine for each collection, opened when first used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use qdrant_edge::{
    CreateIndex, EdgeConfig, EdgeShard, EdgeSparseVectorParams, EdgeVectorParams,
    FieldIndexOperations, Modifier, OperationError, PayloadFieldSchema, PayloadSchemaType,
    UpdateOperation, Vector, Vectors,
};

use super::super::lock::FolderLock;
use super::super::{
    CollectionShape, DenseSpec, FieldKind, SparseSpec, SparseVector, StoreError, check_name,
};
use super::translate;

pub(super) const ENGINE: &str = "Qdrant Edge";

/// Collections in a folder, one sub-folder each.
#[derive(Clone)]
pub struct EdgeStore {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) folder: PathBuf,
    /// Opened when first used, and kept open.
    pub(super) open: Mutex<BTreeMap<String, Arc<RwLock<EdgeShard>>>>,
    _lock: FolderLock,
}

impl EdgeStore {
    /// Opens the folder, making it if need be.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it; [`StoreError::Io`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(|source| StoreError::Io {
            action: "cannot make the folder",
            path: folder.display().to_string(),
            source,
        })?;
        let lock = FolderLock::take(folder)?;
        let open = Mutex::new(BTreeMap::new());
        Ok(Self {
            inner: Arc::new(Inner {
                folder: folder.to_owned(),
                open,
                _lock: lock,
            }),
        })
    }

    /// Runs blocking work on a collection away from the async threads.
    pub(super) async fn on<T: Send + 'static>(
        &self,
        collection: &str,
        action: &'static str,
        work: impl FnOnce(&RwLock<EdgeShard>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        let collection = collection.to_owned();
        blocking(action, move || {
            let shard = inner.shard(&collection)?;
            work(&shard)
        })
        .await
    }

    pub(super) async fn write(
        &self,
        collection: &str,
        action: &'static str,
        operation: UpdateOperation,
    ) -> Result<(), StoreError> {
        self.on(collection, action, move |shard| {
            let shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard
                .update(operation)
                .map_err(|error| engine(action, &error))?;
            shard.flush();
            Ok(())
        })
        .await
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    action: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(StoreError::Engine {
                engine: ENGINE,
                action: action.into(),
                message: error.to_string(),
            })
        })
}

pub(super) fn engine(action: &str, error: &OperationError) -> StoreError {
    StoreError::Engine {
        engine: ENGINE,
        action: action.to_owned(),
        message: error.to_string(),
    }
}

impl Inner {
    pub(super) fn known(&self) -> Result<Vec<String>, StoreError> {
        let failed = |source| StoreError::Io {
            action: "cannot list",
            path: self.folder.display().to_string(),
            source,
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && entry.path().join("edge_config.json").is_file() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    pub(super) fn shard(&self, collection: &str) -> Result<Arc<RwLock<EdgeShard>>, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shard) = open.get(collection) {
            return Ok(Arc::clone(shard));
        }
        let path = self.folder.join(collection);
        if check_name(collection).is_err() || !path.join("edge_config.json").is_file() {
            return Err(StoreError::NoCollection {
                collection: collection.to_owned(),
                known: self.known()?,
            });
        }
        let shard = EdgeShard::load(&path, None).map_err(|error| engine("open", &error))?;
        let shard = Arc::new(RwLock::new(shard));
        open.insert(collection.to_owned(), Arc::clone(&shard));
        Ok(shard)
    }

    pub(super) fn create(
        &self,
        collection: &str,
        shape: &CollectionShape,
    ) -> Result<(), StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.folder.join(collection);
        // Made aside and moved into place, so that a crash leaves no half-made collection.
        let aside = self.folder.join(format!(".new-{collection}"));
        let failed = |source| StoreError::Io {
            action: "cannot make the collection in",
            path: path.display().to_string(),
            source,
        };
        if aside.exists() {
            std::fs::remove_dir_all(&aside).map_err(failed)?;
        }
        std::fs::create_dir_all(&aside).map_err(failed)?;
        let shard =
            EdgeShard::new(&aside, config_of(shape)).map_err(|error| engine("create", &error))?;
        for (field, kind) in &shape.indexed {
            let create = CreateIndex {
                field_name: translate::path(field)?,
                field_schema: Some(PayloadFieldSchema::FieldType(schema_type(*kind))),
            };
            let operation = FieldIndexOperations::CreateIndex(create);
            shard
                .update(UpdateOperation::FieldIndexOperation(operation))
                .map_err(|error| engine("create an index", &error))?;
        }
        shard.flush();
        drop(shard);
        std::fs::rename(&aside, &path).map_err(failed)?;
        let shard = EdgeShard::load(&path, None).map_err(|error| engine("open", &error))?;
        open.insert(collection.to_owned(), Arc::new(RwLock::new(shard)));
        Ok(())
    }
}

fn config_of(shape: &CollectionShape) -> EdgeConfig {
    let mut config = EdgeConfig::builder();
    for (name, spec) in &shape.dense {
        let size = usize::try_from(spec.size).unwrap_or(usize::MAX);
        let params = EdgeVectorParams::builder(size, translate::distance(spec.distance)).build();
        config = config.vector(name.clone(), params);
    }
    for (name, spec) in &shape.sparse {
        let mut params = EdgeSparseVectorParams::builder();
        if spec.idf {
            params = params.modifier(Modifier::Idf);
        }
        config = config.sparse_vector(name.clone(), params.build());
    }
    config.build()
}

fn schema_type(kind: FieldKind) -> PayloadSchemaType {
    match kind {
        FieldKind::Keyword | FieldKind::Other => PayloadSchemaType::Keyword,
        FieldKind::Integer => PayloadSchemaType::Integer,
        FieldKind::Float => PayloadSchemaType::Float,
        FieldKind::Bool => PayloadSchemaType::Bool,
        FieldKind::Text => PayloadSchemaType::Text,
        FieldKind::Datetime => PayloadSchemaType::Datetime,
    }
}

fn kind_of(schema: PayloadSchemaType) -> FieldKind {
    match schema {
        PayloadSchemaType::Keyword | PayloadSchemaType::Uuid => FieldKind::Keyword,
        PayloadSchemaType::Integer => FieldKind::Integer,
        PayloadSchemaType::Float => FieldKind::Float,
        PayloadSchemaType::Bool => FieldKind::Bool,
        PayloadSchemaType::Text => FieldKind::Text,
        PayloadSchemaType::Datetime => FieldKind::Datetime,
        PayloadSchemaType::Geo => FieldKind::Other,
    }
}

pub(super) fn shape_of(shard: &EdgeShard) -> CollectionShape {
    let mut shape = CollectionShape::default();
    {
        let config = shard.config();
        for (name, params) in &config.vectors {
            let spec = DenseSpec {
                size: params.size as u64,
                distance: translate::distance_back(params.distance),
            };
            shape.dense.insert(name.to_string(), spec);
        }
        for (name, params) in &config.sparse_vectors {
            let spec = SparseSpec {
                idf: params.modifier == Some(Modifier::Idf),
            };
            shape.sparse.insert(name.to_string(), spec);
        }
    }
    for (field, info) in shard.info().payload_schema {
        shape
            .indexed
            .insert(field.to_string(), kind_of(info.data_type));
    }
    shape
}

pub(super) fn vectors(
    dense: BTreeMap<String, Vec<f32>>,
    sparse: BTreeMap<String, SparseVector>,
) -> Vectors {
    let dense = dense
        .into_iter()
        .map(|(name, values)| (name, Vector::from(values)));
    let sparse = sparse.into_iter().map(|(name, vector)| {
        (
            name,
            Vector(qdrant_edge::VectorInternal::Sparse(translate::sparse(
                vector,
            ))),
        )
    });
    Vectors::new_named(dense.chain(sparse))
}
