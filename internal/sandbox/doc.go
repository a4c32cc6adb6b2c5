// Package sandbox runs Python cells that a model wrote, apart from the host.
package sandbox
