//! The messages and the gRPC client of `google.cloud.tasks.v2`, generated from Google's own protos: by
//! gcloud-sdk, or in a build without Google's credentials by the emulator.

#[cfg(not(feature = "google"))]
pub(crate) use cloud_tasks_emulator::proto::google::cloud::tasks::v2::*;
#[cfg(feature = "google")]
pub(crate) use gcloud_sdk::google::cloud::tasks::v2::*;
