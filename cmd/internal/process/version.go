package process

// Version names the build. Image builds set it by -ldflags "-X minigroups/cmd/internal/process.Version=…".
var Version = "unknown"
