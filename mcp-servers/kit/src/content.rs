//! What a tool, a resource or a prompt gives besides data: text, pictures, sound, documents.

/// One piece of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Words.
    Text(String),
    /// A picture.
    Image(Media),
    /// A recording.
    Audio(Media),
    /// A resource, with what is in it.
    Resource(ResourceContent),
    /// A resource that the client may read if it wants to.
    Link {
        /// Address of the resource.
        uri: String,
        /// Its name.
        name: String,
    },
}

/// Bytes of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Media type, such as `image/png`.
    pub mime_type: String,
    /// The bytes themselves.
    pub bytes: Vec<u8>,
}

/// What is in a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceContent {
    /// Address of the resource.
    pub uri: String,
    /// Media type, such as `text/markdown`.
    pub mime_type: String,
    /// The contents.
    pub body: Body,
}

/// Text, or anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Text.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl Content {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A picture of a media type such as `image/png`.
    pub fn image(mime_type: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self::Image(Media {
            mime_type: mime_type.into(),
            bytes,
        })
    }

    /// A recording of a media type such as `audio/wav`.
    pub fn audio(mime_type: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self::Audio(Media {
            mime_type: mime_type.into(),
            bytes,
        })
    }
}

impl ResourceContent {
    /// Text under an address.
    pub fn text(
        uri: impl Into<String>,
        mime_type: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            uri: uri.into(),
            mime_type: mime_type.into(),
            body: Body::Text(text.into()),
        }
    }
}
