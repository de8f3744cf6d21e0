r"""
@article{RamirezAportela2019,
  author  = {Ramírez-Aportela, E. and Mota, J. and Conesa, P. and Carazo, J. M. and
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

@article{Pintilie2020,
  author  = {Pintilie, G. and Zhang, K. and Su, Z. and Li, S. and Schmid, M. F. and Chiu, W.},
  title   = {Measurement of atom resolvability in cryo-{EM} maps with {Q}-scores},
  journal = {Nature Methods},
  volume  = {17},
  pages   = {328--334},
  year    = {2020},
  doi     = {10.1038/s41592-020-0731-1},
  url     = {https://doi.org/10.1038/s41592-020-0731-1}
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

@article{Jakobi2017,
  author  = {Jakobi, A. J. and Wilmanns, M. and Sachse, C.},
  title   = {Model-based local density sharpening of cryo-EM maps},
  journal = {eLife},
  volume  = {6},
  pages   = {e27131},
  year    = {2017},
  doi     = {10.7554/eLife.27131},
  url     = {https://doi.org/10.7554/eLife.27131}
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

@article{Vilas2018,
  author  = {Vilas, J. L. and Gómez-Blanco, J. and Conesa, P. and Melero, R. and
             de la Rosa-Trevín, J. M. and Otón, J. and Cuenca, J. and Marabini, R. and
             Carazo, J. M. and Vargas, J. and Sorzano, C. O. S.},
  title   = {{MonoRes}: Automatic and Accurate Estimation of Local Resolution for Electron
             Microscopy Maps},
  journal = {Structure},
  volume  = {26},
  number  = {2},
  pages   = {337--344},
  year    = {2018},
  doi     = {10.1016/j.str.2017.12.018},
  url     = {https://doi.org/10.1016/j.str.2017.12.018}
}

@article{Cardone2013,
  author  = {Cardone, G. and Heymann, J. B. and Steven, A. C.},
  title   = {One number does not fit all: Mapping local variations in resolution in cryo-EM
             reconstructions},
  journal = {Journal of Structural Biology},
  volume  = {184},
  number  = {2},
  pages   = {226--236},
  year    = {2013},
  doi     = {10.1016/j.jsb.2013.08.002},
  url     = {https://doi.org/10.1016/j.jsb.2013.08.002}
}

@article{Kucukelbir2014,
  author  = {Kucukelbir, A. and Sigworth, F. J. and Tagare, H. D.},
  title   = {Quantifying the local resolution of cryo-{EM} density maps},
  journal = {Nature Methods},
  volume  = {11},
  number  = {1},
  pages   = {63--65},
  year    = {2014},
  doi     = {10.1038/nmeth.2727},
  url     = {https://doi.org/10.1038/nmeth.2727}
}

@article{Rosenthal2003,
  author  = {Rosenthal, P. B. and Henderson, R.},
  title   = {Optimal determination of particle orientation, absolute hand, and contrast loss in
             single-particle electron cryomicroscopy},
  journal = {Journal of Molecular Biology},
  volume  = {333},
  pages   = {721--745},
  year    = {2003},
  doi     = {10.1016/j.jmb.2003.07.013},
  url     = {https://doi.org/10.1016/j.jmb.2003.07.013}
}

@article{Chen2013,
  author  = {Chen, S. and McMullan, G. and Faruqi, A. R. and Murshudov, G. N. and Short, J. M. and
             Scheres, S. H. W. and Henderson, R.},
  title   = {High-resolution noise substitution to measure overfitting and validate resolution in
             {3D} structure determination by single particle electron cryomicroscopy},
  journal = {Ultramicroscopy},
  volume  = {135},
  pages   = {24--35},
  year    = {2013},
  doi     = {10.1016/j.ultramic.2013.06.004},
  url     = {https://doi.org/10.1016/j.ultramic.2013.06.004}
}

@article{Tan2017,
  author  = {Tan, Y. Z. and Baldwin, P. R. and Davis, J. H. and Williamson, J. R. and
             Potter, C. S. and Carragher, B. and Lyumkis, D.},
  title   = {Addressing preferred specimen orientation in single-particle cryo-{EM} through
             tilting},
  journal = {Nature Methods},
  volume  = {14},
  pages   = {793--796},
  year    = {2017},
  doi     = {10.1038/nmeth.4347},
  url     = {https://doi.org/10.1038/nmeth.4347}
}

@article{Rose2018,
  author  = {Rose, A. S. and Bradley, A. R. and Valasatava, Y. and Duarte, J. M. and
             Prlić, A. and Rose, P. W.},
  title   = {{NGL} viewer: web-based molecular graphics for large complexes},
  journal = {Bioinformatics},
  volume  = {34},
  pages   = {3755--3758},
  year    = {2018},
  doi     = {10.1093/bioinformatics/bty419},
  url     = {https://doi.org/10.1093/bioinformatics/bty419}
}
"""
