r"""
@article{RamirezAportela2019,
  author  = {Ram{\'i}rez-Aportela, E. and Mota, J. and Conesa, P. and Carazo, J. M. and
             Sorzano, C. O. S.},
  title   = {{DeepRes}: a new deep-learning- and aspect-based local resolution method for
             electron-microscopy maps},
  journal = {IUCrJ},
  volume  = {6},
  number  = {6},
  pages   = {1054--1063},
  year    = {2019},
  doi     = {10.1107/S2052252519011692},
  url     = {https://doi.org/10.1107/S2052252519011692}
}

@article{Avramov2019,
  author  = {Avramov, T. K. and Vyenielo, D. and Gomez-Blanco, J. and Adinarayanan, S. and
             Vargas, J. and Si, D.},
  title   = {Deep Learning for Validating and Estimating Resolution of Cryo-Electron Microscopy
             Density Maps},
  journal = {Molecules},
  volume  = {24},
  number  = {6},
  pages   = {1181},
  year    = {2019},
  doi     = {10.3390/molecules24061181},
  url     = {https://doi.org/10.3390/molecules24061181}
}

@article{Dai2023,
  author  = {Dai, M. and Dong, Z. and Xu, K. and Zhang, Q. C.},
  title   = {{CryoRes}: Local Resolution Estimation of Cryo-EM Density Maps by Deep Learning},
  journal = {Journal of Molecular Biology},
  year    = {2023},
  doi     = {10.1016/j.jmb.2023.168059},
  url     = {https://doi.org/10.1016/j.jmb.2023.168059}
}

@misc{SanchezGarcia2020,
  author  = {Sanchez-Garcia, R. and Gomez-Blanco, J. and Cuervo, A. and Carazo, J. M. and
             Sorzano, C. O. S. and Vargas, J.},
  title   = {{DeepEMhancer}: a deep learning solution for cryo-EM volume post-processing},
  note    = {bioRxiv preprint},
  year    = {2020},
  doi     = {10.1101/2020.06.12.148296},
  url     = {https://doi.org/10.1101/2020.06.12.148296}
}

@article{SanchezGarcia2021,
  author  = {Sanchez-Garcia, R. and Gomez-Blanco, J. and Cuervo, A. and Carazo, J. M. and
             Sorzano, C. O. S. and Vargas, J.},
  title   = {{DeepEMhancer}: a deep learning solution for cryo-EM volume post-processing},
  journal = {Communications Biology},
  volume  = {4},
  pages   = {874},
  year    = {2021},
  doi     = {10.1038/s42003-021-02399-1},
  url     = {https://doi.org/10.1038/s42003-021-02399-1}
}
"""
