//! How servers prove who they are: by certificates that this machine trusts.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

/// Settings for connections to servers.
///
/// # Errors
/// When there is no cryptography to build on.
pub(super) fn client() -> Result<ClientConfig, String> {
    let mut trusted = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    trusted.add_parsable_certificates(found.certs);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(builder
        .with_root_certificates(trusted)
        .with_no_client_auth())
}

/// The certificates themselves, for a driver that makes its own settings of them; those that
/// cannot be used left out, for they would keep it from using any.
pub(super) fn roots() -> Vec<Vec<u8>> {
    let found = rustls_native_certs::load_native_certs().certs.into_iter();
    let usable = found.filter(|root| RootCertStore::empty().add(root.clone()).is_ok());
    usable.map(|root| root.to_vec()).collect()
}

/// Sees to it that a driver which asks for no cryptography by name finds the one that all of this
/// crate uses: with several in one program it would panic.
pub(super) fn provide() {
    // Somebody else may have been first, which serves as well.
    let _ = aws_lc_rs::default_provider().install_default();
}
