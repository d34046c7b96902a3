package process

// Version names what the program was built from; whoever builds an image sets it by -ldflags "-X …/process.Version=…".
var Version = "unknown"
