// Package ext stands in for a module that lies in traefik's own repository and is published nowhere: the place where
// other editions of traefik add fields of their own. The open one has none.
package ext

// HTTP has no fields.
type HTTP struct{}

// Router has no fields.
type Router struct{}
