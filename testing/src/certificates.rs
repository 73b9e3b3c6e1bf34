//! A certificate for `localhost`, and the authority that vouches for it, both of a test's own.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

/// A certificate for `localhost` and 127.0.0.1, good for two days.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// Where there is no `openssl`.
    #[must_use]
    pub fn make() -> Self {
        let certificates = Self {
            folder: tempfile::tempdir().expect("a folder for certificates"),
        };
        let extensions = certificates.path("extensions");
        fs::write(
            &extensions,
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
        )
        .expect("the folder can be written to");
        let new_key = [
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ];
        certificates.openssl(
            &[
                &new_key[..],
                &["-x509", "-days", "2", "-subj", "/CN=An authority of a test"],
            ]
            .concat(),
            &[("-keyout", "authority.key"), ("-out", "authority.pem")],
        );
        certificates.openssl(
            &[&new_key[..], &["-subj", "/CN=localhost"]].concat(),
            &[("-keyout", "server.key"), ("-out", "server.csr")],
        );
        certificates.openssl(
            &["x509", "-req", "-CAcreateserial", "-days", "2"],
            &[
                ("-in", "server.csr"),
                ("-CA", "authority.pem"),
                ("-CAkey", "authority.key"),
                ("-extfile", "extensions"),
                ("-out", "server.pem"),
            ],
        );
        certificates
    }

    /// The certificate of who vouches for it.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.path("authority.pem")
    }

    /// What a Redis server is to be told to speak TLS on a port.
    #[must_use]
    pub fn for_redis(&self, port: u16) -> Vec<String> {
        let (certificate, key) = (self.path("server.pem"), self.path("server.key"));
        [
            "--tls-port",
            &port.to_string(),
            "--tls-auth-clients",
            "no",
            "--tls-cert-file",
            &certificate.to_string_lossy(),
            "--tls-key-file",
            &key.to_string_lossy(),
        ]
        .map(str::to_owned)
        .into()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, words: &[&str], files: &[(&str, &str)]) {
        let mut command = Command::new("openssl");
        command.args(words);
        for (flag, name) in files {
            command.arg(flag).arg(self.path(name));
        }
        let output = command.output().expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
