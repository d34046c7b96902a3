// Package support holds the page on which support finds a class: what it waits for, what has happened to it and who
// has asked for that, with buttons to retry and to cancel. The page has no rights of its own. It sends the token of its
// user to the API, which decides what the user may see and do.
package support

import (
	"embed"
	"path"
)

//go:embed index.html *.css *.js *.svg
var files embed.FS

// Policy allows the page to load its own files and to call the API. It forbids everything inline, other hosts, frames,
// and every function that makes HTML of text.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// File is a file of the page, with its content type.
type File struct {
	Type    string
	Content []byte
}

// types are the content types of the files, by the extension.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// Read returns a file that the page loads; the empty name is the page itself.
func Read(name string) (File, bool) {
	if name == "" {
		name = "index.html"
	}
	content, err := files.ReadFile(name)
	return File{Type: types[path.Ext(name)], Content: content}, err == nil
}
