module executor-chain.dev/testing/e2e/pause

go 1.24
