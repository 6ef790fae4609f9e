//! A certificate authority for one run, which issues a certificate for `localhost`.

use std::{fs, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring::default_provider, pki_types::PrivateKeyDer},
};

/// The system's certificate authorities, as one file and as a folder. Unless the environment says otherwise, both are read.
const SYSTEM_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";
const SYSTEM_FOLDER: &str = "/etc/ssl/certs";

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    _folder: TempDir,
    /// The authority's certificate.
    file: String,
    /// That certificate and the system's, so that loading them costs as much as with the system's own bundle.
    bundle: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name).to_str().unwrap().to_owned();
        let (file, bundle) = (path("ca.pem"), path("bundle.pem"));
        fs::write(&file, issuer.pem()).unwrap();
        let system = fs::read_to_string(SYSTEM_FILE).expect("the system's certificate authorities");
        fs::write(&bundle, system + &issuer.pem()).unwrap();
        Self { issuer, _folder: folder, file, bundle }
    }

    /// The environment variables with which a server trusts this authority: `verifa-mcp` reads its own variable, the floor
    /// the TLS library's. Both get all of them.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let variables =
            [("VERIFA_CA_FILE", &*self.file), ("SSL_CERT_FILE", &*self.bundle), ("SSL_CERT_DIR", SYSTEM_FOLDER)];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
