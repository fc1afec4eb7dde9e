"""Why a VM moves or stays, and what limits cost."""
