module executor-chain.dev/testing/e2e/handler

go 1.24
