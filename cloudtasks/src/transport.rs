//! The channel below the gRPC client: gcloud-sdk's, or in a build without Google's credentials plain
//! HTTP/2.

#[cfg(not(feature = "google"))]
mod plain;
#[cfg(feature = "google")]
mod sdk;

#[cfg(not(feature = "google"))]
pub(crate) use plain::{Transport, emulator, google};
#[cfg(feature = "google")]
pub(crate) use sdk::{Transport, emulator, google};
